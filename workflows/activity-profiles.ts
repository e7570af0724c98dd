/**
 * @module How long each kind of activity may take and how it is retried, with the reason.
 *
 * Every entry is complete: what is left out of a retry policy defaults to endless in Temporal.
 */
import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import { CONTROL_TASK_QUEUE, hostTaskQueue } from '../contracts/ids.ts';
import type { StageLimits } from '../contracts/plan.ts';

/**
 * Reads configs and S3, and hashes weights, which may take minutes: its heartbeat tells that from a killed worker. A
 * person waits for the answer, so a service that is away is an error after minutes, not days.
 */
export const planning: ActivityOptions = {
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '10s',
  scheduleToCloseTimeout: '15 minutes',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '20s', maximumAttempts: 40 },
};

/**
 * Small requests to S3 and Temporal in the middle of a run: an outage of hours must not end a training of weeks. The
 * start-to-close time-out is what a killed worker costs.
 */
export const bookkeeping: ActivityOptions = {
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '7 days',
  retry: {
    initialInterval: '500ms',
    backoffCoefficient: 2,
    maximumInterval: '20s',
    maximumAttempts: 1_000_000,
  },
};

/** HEAD requests to the sources of weights: a person waits to hear that an address is wrong. */
export const checking: ActivityOptions = {
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '10s',
  scheduleToCloseTimeout: '15 minutes',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '20s', maximumAttempts: 40 },
};

/**
 * Gigabytes from somebody else's server, or made of them: hours when it is slow, and without a heartbeat the worker is
 * gone. A new attempt goes on where S3 says that the one before was. What no retry mends fails by its name at once.
 */
export const fetching: ActivityOptions = {
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '2 days',
  heartbeatTimeout: '15s',
  scheduleToCloseTimeout: '7 days',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '60s', maximumAttempts: 1000 },
};

/** The host's life. Lost when nothing was heard for the heartbeat time-out and no worker took the next attempt in as long again. */
export function presence(host: string): ActivityOptions {
  return {
    taskQueue: hostTaskQueue(host),
    startToCloseTimeout: '3650 days',
    scheduleToStartTimeout: '30s',
    heartbeatTimeout: '30s',
    retry: {
      initialInterval: '1s',
      backoffCoefficient: 1,
      maximumInterval: '1s',
      maximumAttempts: 1_000_000,
    },
  };
}

/** A look at a host's disks. One that does not answer soon is not waited for: nothing depends on it. */
export function measuring(host: string): ActivityOptions {
  return {
    taskQueue: hostTaskQueue(host),
    startToCloseTimeout: '10s',
    scheduleToStartTimeout: '10s',
    scheduleToCloseTimeout: '15s',
    retry: { initialInterval: '500ms', backoffCoefficient: 1, maximumInterval: '1s', maximumAttempts: 2 },
  };
}

/** One small request on rank 0's host: S3 may be away for long, the host may not. */
export function opening(host: string, limits: StageLimits): ActivityOptions {
  return {
    taskQueue: hostTaskQueue(host),
    startToCloseTimeout: '10s',
    scheduleToStartTimeout: limits.hostTimeoutMs,
    scheduleToCloseTimeout: '7 days',
    retry: {
      initialInterval: '500ms',
      backoffCoefficient: 2,
      maximumInterval: '20s',
      maximumAttempts: 1_000_000,
    },
  };
}

/**
 * A trainer's life on one host. Retried without end and without growing delay: a new attempt of the *activity* adopts
 * the trainer that runs, so it costs nothing. Failures of the trainer itself are never retried here; the stage decides.
 */
export function training(host: string, limits: StageLimits): ActivityOptions {
  return {
    taskQueue: hostTaskQueue(host),
    startToCloseTimeout: '3650 days',
    scheduleToStartTimeout: limits.hostTimeoutMs,
    heartbeatTimeout: limits.heartbeatTimeoutMs,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: {
      initialInterval: '1s',
      backoffCoefficient: 1.2,
      maximumInterval: '5s',
      maximumAttempts: 1_000_000,
    },
  };
}
