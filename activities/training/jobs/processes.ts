/**
 * @module The processes of a job, seen and ended. What belongs to a job is in proc.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from './job.ts';
import { jobProcesses, MARK, type JobProcess } from './proc-files.ts';

/** Time that a trainer has to end by itself after SIGTERM; detectron2 handles no signal, so it dies at once. */
const TERM_GRACE_MS = 3000;
const KILL_DEADLINE_MS = 30_000;
const LOOK_AGAIN_MS = 20;

/** Environment that marks a process, and all that it starts, as the job's. */
export function jobMark(job: Pick<Job, 'folder'>): Record<string, string> {
  return { [MARK]: job.folder };
}

/** Pids of the job's trainer and all that it started; the shim is not among them. */
export async function trainerPids(job: Pick<Job, 'folder'>): Promise<number[]> {
  return (await livingTrainers()).get(job.folder) ?? [];
}

/**
 * Whether anything of the job lives. While its shim does, a trainer may start or its end be written down.
 * @throws when processes cannot be looked at: then nothing is known.
 */
export async function isAlive(job: Pick<Job, 'folder'>): Promise<boolean> {
  return (await livingTrainers()).has(job.folder);
}

/**
 * Whether the job's shim lives, which writes down how its trainer ends.
 * @throws when processes cannot be looked at: then nothing is known.
 */
export async function hasShim(job: Pick<Job, 'folder'>): Promise<boolean> {
  return (await processesOf(job)).some(({ isShim }) => isShim);
}

/**
 * Pids of all trainers on this host, by job folder. Empty for a job of which only the shim lives.
 * @throws when processes cannot be looked at: then nothing is known.
 */
export async function livingTrainers(): Promise<ReadonlyMap<string, number[]>> {
  const living = new Map<string, number[]>();
  for (const { folder, pid, isShim } of await jobProcesses()) {
    living.set(folder, [...(living.get(folder) ?? []), ...(isShim ? [] : [pid])]);
  }
  return living;
}

/**
 * Ends the job's trainer: SIGTERM, a grace, SIGKILL, and returns when nothing of it is left. The shim as well: one that
 * is just starting would start a trainer afterwards.
 *
 * @throws when processes survive SIGKILL, as those stuck in a driver call do: the host needs a person.
 */
export async function endTrainer(job: Pick<Job, 'folder'>): Promise<void> {
  if (await goneAfter(job, 'SIGTERM', TERM_GRACE_MS)) return;
  if (await goneAfter(job, 'SIGKILL', KILL_DEADLINE_MS)) return;
  const left = (await processesOf(job)).map(({ pid }) => pid);
  throw new Error(
    `processes ${left.join(', ')} of ${job.folder} survived SIGKILL for ${KILL_DEADLINE_MS / 1000} s`,
  );
}

async function goneAfter(job: Pick<Job, 'folder'>, signal: NodeJS.Signals, waitMs: number): Promise<boolean> {
  const deadline = Date.now() + waitMs;
  const signalled = new Set<number>();
  for (let emptyLooks = 0; ;) {
    // Undefined while they cannot be looked at: then nothing is known.
    const pids = await processesOf(job).then(
      (left) => left.map(({ pid }) => pid),
      () => undefined,
    );
    emptyLooks = pids?.length === 0 ? emptyLooks + 1 : 0;
    // Two looks: a process that is just being executed shows no environment.
    if (emptyLooks === 2) return true;
    if (Date.now() > deadline) return false;
    // A process that was forked after the last look gets its signal now.
    for (const pid of pids ?? []) if (!signalled.has(pid)) send(pid, signal);
    for (const pid of pids ?? []) signalled.add(pid);
    await delay(LOOK_AGAIN_MS);
  }
}

async function processesOf(job: Pick<Job, 'folder'>): Promise<readonly JobProcess[]> {
  return (await jobProcesses()).filter(({ folder }) => folder === job.folder);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in between.
  }
}
