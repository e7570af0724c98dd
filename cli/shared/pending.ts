/**
 * @module What Temporal's Describe says of a workflow's running activities: live progress that costs no history, and
 * what is being retried.
 */
import { WorkflowNotFoundError, type WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import proto from '@temporalio/proto';
import type { z } from 'zod';

/** The newest heartbeat of each running activity, as far as it is what is looked for. */
export function heartbeats<T>({ raw }: WorkflowExecutionDescription, schema: z.ZodType<T>): T[] {
  return (raw.pendingActivities ?? [])
    .flatMap(({ heartbeatDetails }) => heartbeatDetails?.payloads?.slice(0, 1) ?? [])
    .flatMap((payload) => {
      const parsed = schema.safeParse(defaultPayloadConverter.fromPayload<unknown>(payload));
      return parsed.success ? [parsed.data] : [];
    });
}

/**
 * What Temporal is retrying right now, and why: 'activity resolvePlan, retry 2: …'. Temporal keeps the last failure of an
 * activity as long as it runs; one that has reported progress since it was started again is well.
 */
export function pendingTroubles({ raw }: Pick<WorkflowExecutionDescription, 'raw'>): string[] {
  return (raw.pendingActivities ?? []).flatMap((activity) => {
    const { activityType, attempt, lastFailure } = activity;
    if (!lastFailure?.message || isWellAgain(activity)) return [];
    const retries = Math.max(1, (attempt ?? 1) - 1);
    return [`activity ${activityType?.name ?? 'of unknown type'}, retry ${retries}: ${lastFailure.message}`];
  });
}

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

function isWellAgain({
  state,
  lastStartedTime,
  lastHeartbeatTime,
  heartbeatDetails,
}: PendingActivity): boolean {
  const isStarted = state === proto.temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_STARTED;
  if (!isStarted || !lastStartedTime || !lastHeartbeatTime || !heartbeatDetails?.payloads?.length)
    return false;
  return millisecondsOf(lastHeartbeatTime) > millisecondsOf(lastStartedTime);
}

function millisecondsOf({ seconds, nanos }: proto.google.protobuf.ITimestamp): number {
  return Number(seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6;
}

export async function unlessMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
