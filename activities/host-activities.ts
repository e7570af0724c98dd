/**
 * @module The activities of one GPU host.
 */
import { Context } from '@temporalio/activity';
import getPort from 'get-port';
import type { HostActivities } from '../contracts/activities.ts';
import type { Host } from '../contracts/pool.ts';
import { claimStage } from './checkpoints/claim.ts';
import { EVALUATION_JOB, evaluateOnHost } from './training/evaluation/evaluate-on-host.ts';
import { fail, handOver } from './support/failures.ts';
import { withHeartbeat } from './support/with-heartbeat.ts';
import { checkHost, type CheckedHost } from './preflight/check-host.ts';
import { checkCollective } from './preflight/collective-check.ts';
import { awaitCheckpoint } from './training/files/await-checkpoint.ts';
import { findJob, type JobKey } from './training/jobs/job.ts';
import { endTrainer } from './training/jobs/processes.ts';
import { UnnamedErrors } from './training/crashes/unnamed-errors.ts';
import { measureFreeSpace } from './training/files/checkpoint-room.ts';
import type { TrainingDependencies } from './training/rank.ts';
import { trainRank } from './training/train-rank.ts';

export interface HostDependencies extends TrainingDependencies {
  readonly settings: TrainingDependencies['settings'] & CheckedHost['settings'];
  /** Tells the pool that this host is there; called when the pool seems to have forgotten it. */
  readonly join: () => Promise<void>;
  /** Ends the worker. Trainers that run continue. */
  readonly leave: (why: string) => void;
  /** When this worker was started, epoch milliseconds: another worker may serve the same queue. */
  readonly workerSince: number;
  /** Machine, container and scratch folder that it runs on. */
  readonly place: string;
}

const PRESENCE_BEAT_MS = 5000;
const CHECK_BEAT_MS = 2000;

export function createHostActivities(dependencies: HostDependencies): HostActivities {
  const { scratch, host } = dependencies.settings;
  const unnamed = new UnnamedErrors(host);
  const bounded = <T>(key: JobKey, work: () => Promise<T>) =>
    unnamed.bound(`${key.run}/${key.stage}/${key.token}`, work, async () => {
      const job = await findJob(scratch, key);
      if (job !== undefined) await endTrainer(job);
    });
  return {
    keepPresence: ({ host }) => keepPresence(host, dependencies),

    leave({ host }) {
      checkIsOurs(host, dependencies);
      dependencies.leave('the pool lets this host go');
      return Promise.resolve();
    },

    measureFreeSpace: (input) => measureFreeSpace(dependencies.settings, input),

    async openAttempt({ run, stage, token, ...options }) {
      const { cancellationSignal } = Context.current();
      const claim = await unnamed.bound(`open ${run}/${stage}/${token}`, () =>
        claimStage(dependencies, { run, stage }, token, options, cancellationSignal),
      );
      const { checkpoint: resumeFrom, insteadOf } = claim;
      return { resumeFrom, port: await getPort(), ...(insteadOf && { insteadOf }) };
    },

    awaitCheckpoint: (input) => {
      const { store, settings } = dependencies;
      return awaitCheckpoint({ store, scratch: settings.scratch }, input);
    },

    checkHost: (input) => withHeartbeat(CHECK_BEAT_MS, (signal) => checkHost(dependencies, input, signal)),

    checkCollective: (input) =>
      withHeartbeat(CHECK_BEAT_MS, (signal) => checkCollective(dependencies.settings, input, signal)),

    async evaluateOnHost(input) {
      const { task, token, place } = input;
      checkPlace(place, dependencies);
      const key = { run: task.run, stage: EVALUATION_JOB, token };
      return bounded(key, () => evaluateOnHost(dependencies, input));
    },

    async trainRank(input) {
      const { run, plan, token, place } = input;
      checkPlace(place, dependencies);
      return bounded({ run, stage: plan.stage, token }, () => trainRank(dependencies, input));
    },
  };
}

/** Resolves when this worker stops; throws when the pool has ended the activity. */
async function keepPresence(host: Host, dependencies: HostDependencies): Promise<void> {
  const context = Context.current();
  checkIsOurs(host, dependencies);
  const every = Math.min(PRESENCE_BEAT_MS, (context.info.heartbeatTimeoutMs ?? Infinity) / 3);
  try {
    await withHeartbeat(every, () => context.cancelled);
  } catch (error) {
    const details = context.cancellationDetails;
    if (details?.workerShutdown === true) return;
    // Whatever else ends it, as a pool that is gone or has continued as new, is answered by joining again.
    if (details?.cancelRequested === true) dependencies.leave('a newer worker of this machine has the host');
    else await dependencies.join();
    throw error;
  }
}

/** A worker that is leaving may still serve the queue when its successor does: what is for one is not for the other. */
function checkIsOurs({ name, workerSince }: Host, dependencies: HostDependencies): void {
  if (workerSince === undefined || workerSince === dependencies.workerSince) return;
  throw handOver(`this is for another worker of ${name}`);
}

/** What was started under a lease cannot be seen from another place: a second trainer would run beside it. */
function checkPlace(leased: string | undefined, { place, settings: { host } }: HostDependencies): void {
  if (leased === undefined || leased === place) return;
  throw fail('HostLost', `host ${host} was rebooted, or is another machine, since it was leased`, { host });
}
