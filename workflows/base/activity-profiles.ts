/**
 * @module How long each kind of activity may take and how it is retried, with the reason.
 *
 * Every entry is complete: what is left out of a retry policy defaults to endless in Temporal.
 */
import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import { CONTROL_TASK_QUEUE, hostTaskQueue } from '../../contracts/ids.ts';
import type { StageLimits } from '../../contracts/plan.ts';

/**
 * Reads configs and S3, and hashes weights, which may take minutes: its heartbeat tells that from a killed worker. Runs
 * begin with it, at night too: a service that is away for hours is waited for. What a person has to mend fails by name.
 */
export const planning: ActivityOptions = {
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '10s',
  scheduleToCloseTimeout: '7 days',
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '20s',
    maximumAttempts: 1_000_000,
  },
};

/** The same while a person waits for the answer: a service that is away is the answer, within seconds. */
export const planningNow: ActivityOptions = {
  ...planning,
  startToCloseTimeout: '2 minutes',
  scheduleToCloseTimeout: '3 minutes',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '5s', maximumAttempts: 3 },
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

/** The same while a person waits for the answer. */
export const answering: ActivityOptions = {
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '5s',
  scheduleToCloseTimeout: '15s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s', maximumAttempts: 5 },
};

/** A small file beside the control worker. The pool grants nothing before it is read, so it is not waited for long. */
export const settingsReading: ActivityOptions = {
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '1 minute',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s', maximumAttempts: 20 },
};

/**
 * A pool that was just started asks each holder what it has: one query each, side by side. Nothing is granted before the
 * answers are there, so an outage is waited for; without a heartbeat the worker is gone.
 */
export const askingHolders: ActivityOptions = {
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: '10s',
  scheduleToCloseTimeout: '7 days',
  retry: {
    initialInterval: '500ms',
    backoffCoefficient: 2,
    maximumInterval: '20s',
    maximumAttempts: 1_000_000,
  },
};

/**
 * HEAD requests to the sources of weights, and a look into S3. An address that is wrong fails by name at once; a source
 * or an S3 that is away is waited for, as by the downloads that come after.
 */
export const checking: ActivityOptions = { ...planning, startToCloseTimeout: '2 minutes' };

/**
 * Gigabytes from someone else's server, or made of them: hours when it is slow, and without a heartbeat the worker is
 * gone. A new attempt continues where S3 says that the one before was. What no retry mends fails by its name at once.
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
export function presence(host: string, heartbeatTimeoutMs: number): ActivityOptions {
  return {
    taskQueue: hostTaskQueue(host),
    startToCloseTimeout: '3650 days',
    scheduleToStartTimeout: heartbeatTimeoutMs,
    heartbeatTimeout: heartbeatTimeoutMs,
    retry: {
      initialInterval: '1s',
      backoffCoefficient: 1,
      maximumInterval: '1s',
      maximumAttempts: 1_000_000,
    },
  };
}

/** A word to a host's worker. Another worker that serves the same queue refuses it, and it is said again. */
export function tellingToLeave(host: string, heartbeatTimeoutMs: number): ActivityOptions {
  return {
    taskQueue: hostTaskQueue(host),
    startToCloseTimeout: '10s',
    scheduleToStartTimeout: heartbeatTimeoutMs,
    scheduleToCloseTimeout: '10 minutes',
    retry: { initialInterval: '1s', backoffCoefficient: 1, maximumInterval: '1s', maximumAttempts: 1000 },
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

/** One small request on rank 0's host: S3 may be away for a day while the gang is held, the host may not. */
export function opening(host: string, limits: StageLimits): ActivityOptions {
  return {
    taskQueue: hostTaskQueue(host),
    startToCloseTimeout: '10s',
    scheduleToStartTimeout: limits.hostTimeoutMs,
    scheduleToCloseTimeout: '1 day',
    retry: {
      initialInterval: '500ms',
      backoffCoefficient: 2,
      maximumInterval: '20s',
      maximumAttempts: 1_000_000,
    },
  };
}

/** Until a trainer that is to be ended has saved. The host may be lost meanwhile: then there is nothing to wait for. */
export function awaitingCheckpoint(host: string, limits: StageLimits, withinMs: number): ActivityOptions {
  return {
    taskQueue: hostTaskQueue(host),
    scheduleToStartTimeout: limits.hostTimeoutMs,
    heartbeatTimeout: limits.heartbeatTimeoutMs,
    scheduleToCloseTimeout: withinMs + limits.hostTimeoutMs,
    retry: { initialInterval: '1s', backoffCoefficient: 1, maximumInterval: '1s', maximumAttempts: 1000 },
  };
}

/**
 * A trainer's life on one host. Retried without growing delay: a new attempt of the *activity* adopts the trainer that
 * runs, so it costs nothing. Failures of the trainer itself are never retried here; the stage decides. An S3 that is away
 * when the attempt begins is waited for about a day; errors that no one knows get a name on the host after minutes.
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
      maximumAttempts: 20_000,
    },
  };
}

/**
 * Checks of a host before it is used. They bound themselves to about two minutes, most of it torch's import and NCCL's
 * start; without a heartbeat the worker is gone. A host that is there but fails to say anything is as good as unfit, so
 * little is retried; one whose worker does not take the work for so long counts as lost.
 */
export function looking(host: string, limits: StageLimits): ActivityOptions {
  return {
    taskQueue: hostTaskQueue(host),
    startToCloseTimeout: '5 minutes',
    scheduleToStartTimeout: limits.hostTimeoutMs,
    heartbeatTimeout: '15s',
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '5s', maximumAttempts: 3 },
  };
}

/**
 * Waits for a workflow's end, days perhaps, and does nothing else: whichever control worker is there continues with it. The
 * heartbeat tells a killed worker from a long trial.
 */
export const awaitingTrial: ActivityOptions = {
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '3650 days',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '20s', maximumAttempts: 1_000_000 },
};
