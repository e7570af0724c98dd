/**
 * @module What a running workflow, its clients and its workers have agreed on: a changed name strands them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import {
  answering,
  bookkeeping,
  checking,
  looking,
  opening,
  planning,
  planningNow,
  presence,
  training,
} from '../../workflows/base/activity-profiles.ts';
import type {
  ControlActivities,
  HostActivities,
  PlanActivities,
  PoolActivities,
  ScheduleActivities,
  StageActivities,
  SweepActivities,
  WeightsActivities,
} from '../../contracts/activities.ts';
import * as workflows from '../../workflows/index.ts';
import * as messages from '../../workflows/base/messages.ts';
import { stagePlan } from '../fixtures/stage-plan.ts';
import { historiesFolder } from '../replay/scenarios.ts';

type ActivityName = keyof (PlanActivities &
  SweepActivities &
  ScheduleActivities &
  StageActivities &
  ControlActivities &
  WeightsActivities &
  PoolActivities &
  HostActivities);

/** As `temporal workflow show --output json` writes it. */
const ACTIVITY_TYPE = /"activityType":\s*\{\s*"name":\s*"(\w+)"/g;

const FOR_EVER = 1_000_000;
const { limits } = stagePlan('default');

test('the bundle builds, and without a module that workflows may not have', async () => {
  const warnings: string[] = [];
  const logger = new DefaultLogger('WARN', ({ message }) => warnings.push(message));
  const workflowsPath = fileURLToPath(new URL('../../workflows/index.js', import.meta.url));
  const { code } = await bundleWorkflowCode({ workflowsPath, logger });
  assert.deepEqual(warnings, []);
  for (const name of Object.keys(workflows)) assert.ok(code.includes(name), name);
});

test('the workflows are called as running ones were started', () => {
  assert.deepEqual(Object.keys(workflows).sort(), [
    'evaluate',
    'fineTune',
    'fineTuneSweep',
    'gpuPool',
    'jointTraining',
    'prepareArtifact',
    'prepareWeights',
    'scheduledRun',
    'trainStage',
  ]);
});

test('the messages are called as running workflows and older clients know them', () => {
  const { controlUpdates, ...others } = messages;
  const names = Object.entries(others).map(([constant, { type, name }]) => [constant, type, name]);
  for (const [kind, { type, name }] of Object.entries(controlUpdates))
    assert.deepEqual([type, name], ['update', kind]);
  assert.deepEqual(names.sort(), [
    ['addTrialUpdate', 'update', 'addTrial'],
    ['blameSignal', 'signal', 'blame'],
    ['clearUpdate', 'update', 'clear'],
    ['cordonUpdate', 'update', 'cordon'],
    ['drainUpdate', 'update', 'drain'],
    ['hostQuery', 'query', 'host'],
    ['joinSignal', 'signal', 'join'],
    ['leaseAccountQuery', 'query', 'leaseAccount'],
    ['leaseGrantedSignal', 'signal', 'leaseGranted'],
    ['poolLeaseQuery', 'query', 'lease'],
    ['poolQuery', 'query', 'pool'],
    ['prioritySignal', 'signal', 'priority'],
    ['promoteTrialUpdate', 'update', 'promoteTrial'],
    ['releaseSignal', 'signal', 'release'],
    ['reloadUpdate', 'update', 'reload'],
    ['requestSignal', 'signal', 'request'],
    ['runStateQuery', 'query', 'state'],
    ['stageStateQuery', 'query', 'state'],
    ['stopTrialUpdate', 'update', 'stopTrial'],
    ['sweepStateQuery', 'query', 'state'],
    ['uncordonUpdate', 'update', 'uncordon'],
    ['weightsStateQuery', 'query', 'state'],
    ['yieldSignal', 'signal', 'yield'],
  ]);
});

test('the activities are called as running workflows have scheduled them', async () => {
  const named: Record<ActivityName, true> = {
    ...{ resolvePlan: true, resolveFineTune: true, planEvaluation: true, endEvaluation: true },
    ...{ listCheckpoints: true, resolveSweep: true, publishSweep: true, measureSegment: true },
    ...{ awaitTrial: true, findScheduledChanges: true, concludeScheduled: true, requestLease: true },
    ...{ confirmLease: true, findCandidates: true, findSuitable: true, recordChanges: true },
    ...{ publishStage: true, forwardControl: true, findSkipped: true, publishSkipped: true },
    ...{ checkSources: true, fetchArtifact: true, convertArtifact: true, mergeArtifact: true },
    ...{ findTrained: true, askHolders: true, findEndedHolders: true, readPoolSettings: true },
    ...{ keepPresence: true, leave: true, measureFreeSpace: true, openAttempt: true },
    ...{
      awaitCheckpoint: true,
      checkHost: true,
      checkCollective: true,
      evaluateOnHost: true,
      trainRank: true,
    },
  };
  // The compiler compares these with the interfaces; the recorded histories are what workflows have scheduled.
  const scheduled = new Set<string>();
  for (const file of await readdir(historiesFolder))
    for (const [, name] of (await readFile(join(historiesFolder, file), 'utf8')).matchAll(ACTIVITY_TYPE))
      if (name !== undefined) scheduled.add(name);
  assert.ok(scheduled.size > 10, [...scheduled].join());
  assert.deepEqual(
    [...scheduled].filter((name) => !Object.hasOwn(named, name)),
    [],
  );
});

test('what no person waits for outlasts an outage of days, planning and checks of sources too', () => {
  const waits = {
    taskQueue: 'glee',
    heartbeatTimeout: '10s',
    scheduleToCloseTimeout: '7 days',
    retry: {
      ...{ initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '20s' },
      maximumAttempts: FOR_EVER,
    },
  };
  assert.deepEqual(planning, { ...waits, startToCloseTimeout: '10 minutes' });
  assert.deepEqual(checking, { ...waits, startToCloseTimeout: '2 minutes' });
});

test('what a person waits for is tried for seconds', () => {
  for (const { retry } of [planningNow, answering]) {
    assert.ok((retry?.maximumAttempts ?? Infinity) <= 5);
    assert.equal(retry?.maximumInterval, '5s');
  }
});

test('bookkeeping outlasts an outage of days', () => {
  assert.deepEqual(bookkeeping, {
    taskQueue: 'glee',
    startToCloseTimeout: '10s',
    scheduleToCloseTimeout: '7 days',
    retry: {
      ...{ initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '20s' },
      maximumAttempts: FOR_EVER,
    },
  });
});

test("a host's presence is lost when nothing was heard of it for as long as the pool's file says", () => {
  assert.deepEqual(presence('gpu-1', 30_000), {
    taskQueue: 'glee-host/gpu-1',
    startToCloseTimeout: '3650 days',
    scheduleToStartTimeout: 30_000,
    heartbeatTimeout: 30_000,
    retry: {
      ...{ initialInterval: '1s', backoffCoefficient: 1, maximumInterval: '1s' },
      maximumAttempts: FOR_EVER,
    },
  });
});

test('opening an attempt waits for S3 for a day, since it holds a gang, and for the host as long as the plan says', () => {
  assert.deepEqual(opening('gpu-1', limits), {
    taskQueue: 'glee-host/gpu-1',
    startToCloseTimeout: '10s',
    scheduleToStartTimeout: limits.hostTimeoutMs,
    scheduleToCloseTimeout: '1 day',
    retry: {
      ...{ initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '20s' },
      maximumAttempts: FOR_EVER,
    },
  });
});

test('a train activity has no time limit but its heartbeat, and its end is waited for', () => {
  assert.deepEqual(training('gpu-1', limits), {
    taskQueue: 'glee-host/gpu-1',
    startToCloseTimeout: '3650 days',
    scheduleToStartTimeout: limits.hostTimeoutMs,
    heartbeatTimeout: limits.heartbeatTimeoutMs,
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: {
      ...{ initialInterval: '1s', backoffCoefficient: 1.2, maximumInterval: '5s' },
      maximumAttempts: 20_000,
    },
  });
});

test('a look at a host is tried three times, and a worker that dies under it is noticed in seconds', () => {
  assert.deepEqual(looking('gpu-1', limits), {
    taskQueue: 'glee-host/gpu-1',
    startToCloseTimeout: '5 minutes',
    scheduleToStartTimeout: limits.hostTimeoutMs,
    heartbeatTimeout: '15s',
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '5s', maximumAttempts: 3 },
  });
});
