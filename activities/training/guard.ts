/**
 * @module The host's own guard: ends trainers that no one watches and whose time is known to be over.
 *
 * `temporal workflow terminate` runs no clean-up, and a host that was cut off hears of no cancellation. Only positive
 * proof ends a trainer: its workflow is closed, or a newer attempt has the stage, as the Temporal and the S3 say that the
 * job came from. "Cannot see it" proves nothing.
 */
import type { Logger } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';
import { readHead } from '../checkpoints/head.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import { isSameOrigin, listJobs, type Job, type Origin } from './jobs/job.ts';
import { endTrainer, livingTrainers } from './jobs/processes.ts';
import type { Supervisors } from './supervisors.ts';

export interface GuardDependencies {
  readonly scratch: string;
  readonly store: ObjectStore;
  readonly supervisors: Supervisors;
  /** Whether the workflow still runs; throws when that cannot be known. */
  readonly isRunning: (workflowId: string) => Promise<boolean>;
  /** Of those two: what they say of another origin's jobs proves nothing. */
  readonly origin: Origin;
  readonly log: Logger;
}

const ROUND_MS = 5000;

export async function guardTrainers(dependencies: GuardDependencies, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // A host that was cut off learns from its heartbeat that its activity is over: its trainer's time may be as well.
    const letGo = dependencies.supervisors.untilOneLetsGo();
    await guardOnce(dependencies);
    const round = new AbortController();
    const either = AbortSignal.any([signal, round.signal]);
    await Promise.race([letGo, delay(ROUND_MS, undefined, { signal: either }).catch(() => undefined)]);
    round.abort();
  }
}

export async function guardOnce(dependencies: GuardDependencies): Promise<void> {
  const { scratch, supervisors, log } = dependencies;
  try {
    const living = await livingTrainers();
    const jobs = await listJobs(scratch);
    for (const folder of living.keys()) {
      if (supervisors.isWatched(folder)) continue;
      const job = jobs.find((one) => one.folder === folder);
      if (job !== undefined) await guardTrainer(dependencies, job);
      else if (folder.startsWith(`${scratch}/`))
        log.warn({ job: folder }, 'a trainer runs whose job.json is gone: it is left alone');
    }
  } catch (error) {
    log.warn({ error: String(error) }, 'cannot see which trainers run; they are left alone');
  }
}

async function guardTrainer(dependencies: GuardDependencies, job: Job): Promise<void> {
  const { supervisors, log } = dependencies;
  const facts = { job: job.folder };
  try {
    const proof = await proofThatItIsOver(dependencies, job);
    if (proof === undefined || supervisors.isWatched(job.folder)) return;
    log.warn({ ...facts, proof }, 'ending a trainer whose time is over');
    await endTrainer(job);
  } catch (error) {
    log.warn(
      { ...facts, error: String(error) },
      'cannot tell whether a trainer is still wanted; it continues',
    );
  }
}

async function proofThatItIsOver(
  { store, isRunning, origin }: GuardDependencies,
  { identity }: Job,
): Promise<string | undefined> {
  if (!isSameOrigin(identity.origin, origin)) {
    const of = JSON.stringify(identity.origin ?? 'unknown');
    throw new Error(`it is a job of ${of}, and this worker's Temporal and S3 are ${JSON.stringify(origin)}`);
  }
  if (!(await isRunning(identity.workflowId))) return `workflow ${identity.workflowId} is closed`;
  const head = await readHead(store, identity);
  if (head !== undefined && head.token > identity.token) return `attempt ${head.token} has the stage`;
  return undefined;
}
