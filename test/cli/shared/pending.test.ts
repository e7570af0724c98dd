import assert from 'node:assert/strict';
import { test } from 'node:test';
import proto from '@temporalio/proto';
import { pendingTroubles } from '../../../cli/shared/pending.ts';

const { PENDING_ACTIVITY_STATE_SCHEDULED: SCHEDULED, PENDING_ACTIVITY_STATE_STARTED: STARTED } =
  proto.temporal.api.enums.v1.PendingActivityState;

function described(activity: proto.temporal.api.workflow.v1.IPendingActivityInfo) {
  const { DescribeWorkflowExecutionResponse } = proto.temporal.api.workflowservice.v1;
  const activityType = { name: 'trainRank' };
  const lastFailure = { message: 'the worker that watched this trainer is gone; its trainer may continue' };
  const pending = { activityType, lastFailure, attempt: 2, ...activity };
  return { raw: DescribeWorkflowExecutionResponse.create({ pendingActivities: [pending] }) };
}

const seconds = (value: number) => proto.google.protobuf.Timestamp.fromObject({ seconds: value, nanos: 5 });

test('an activity that waits for its retry, or has said nothing since it was started again, is in trouble', () => {
  const line =
    'activity trainRank, retry 1: the worker that watched this trainer is gone; its trainer may continue';
  const heartbeatDetails = { payloads: [{}] };
  for (const activity of [
    { state: SCHEDULED, heartbeatDetails },
    { state: STARTED, heartbeatDetails, lastStartedTime: seconds(20), lastHeartbeatTime: seconds(10) },
    { state: STARTED, heartbeatDetails, lastStartedTime: seconds(20) },
    // A heartbeat without details says only that its worker lives.
    { state: STARTED, lastStartedTime: seconds(20), lastHeartbeatTime: seconds(21) },
  ]) {
    assert.deepEqual(pendingTroubles(described(activity)), [line]);
  }
});

test('one whose trainer was adopted, and reports, is in no trouble any more', () => {
  const adopted = {
    ...{ state: STARTED, heartbeatDetails: { payloads: [{}] } },
    ...{ lastStartedTime: seconds(20), lastHeartbeatTime: seconds(21) },
  };
  assert.deepEqual(pendingTroubles(described(adopted)), []);
});
