/**
 * @module The host's own guard: ends trainers that nobody watches and whose time is known to be over.
 *
 * `temporal workflow terminate` runs no clean-up, and a host that was cut off hears of no cancellation. Only positive
 * proof ends a trainer: its workflow is closed, or a newer attempt has the stage. "Cannot see it" proves nothing.
 */
import type { Logger } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';
import { readHead } from '../checkpoints/head.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { listJobs, type Job } from './job.ts';
import { endTrainer, livingTrainers } from './processes.ts';
import type { Supervisors } from './supervisors.ts';

export interface GuardDependencies {
  readonly scratch: string;
  readonly store: ObjectStore;
  readonly supervisors: Supervisors;
  /** Whether the workflow still runs; throws when that cannot be known. */
  readonly isRunning: (workflowId: string) => Promise<boolean>;
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

export async function guardOnce({
  scratch,
  store,
  supervisors,
  isRunning,
  log,
}: GuardDependencies): Promise<void> {
  const living = await livingTrainers();
  for (const job of await listJobs(scratch)) {
    const facts = { job: job.folder };
    try {
      if (!living.has(job.folder) || supervisors.isWatched(job.folder)) continue;
      const proof = await proofThatItIsOver(job, store, isRunning);
      if (proof === undefined || supervisors.isWatched(job.folder)) continue;
      log.warn({ ...facts, proof }, 'ending a trainer whose time is over');
      await endTrainer(job);
    } catch (error) {
      log.warn(
        { ...facts, error: String(error) },
        'cannot tell whether a trainer is still wanted; it goes on',
      );
    }
  }
}

async function proofThatItIsOver(
  { identity }: Job,
  store: ObjectStore,
  isRunning: GuardDependencies['isRunning'],
): Promise<string | undefined> {
  if (!(await isRunning(identity.workflowId))) return `workflow ${identity.workflowId} is closed`;
  const head = await readHead(store, identity);
  if (head !== undefined && head.token > identity.token) return `attempt ${String(head.token)} has the stage`;
  return undefined;
}
