/**
 * @module The processes of a job, found by a mark in their environment.
 *
 * Children inherit it whatever they do to their session, group or parent: GLEE's launch.py starts a shell, the shell
 * train_net.py, that one process a GPU, and those their data loaders. A pid alone may have been given to somebody else.
 */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from './job.ts';

const MARK = 'GLEE_JOB';
/** Time that a trainer has to end by itself after SIGTERM; detectron2 handles no signal, so it dies at once. */
const TERM_GRACE_MS = 3000;
const KILL_DEADLINE_MS = 30_000;
const LOOK_AGAIN_MS = 20;

/** Environment that marks a process, and all that it starts, as the job's. */
export function jobMark(job: Job): Record<string, string> {
  return { [MARK]: job.folder };
}

/** Pids of the job's trainer and all that it started; the shim is not among them. */
export async function trainerPids(job: Job): Promise<number[]> {
  return (await livingTrainers()).get(job.folder) ?? [];
}

/** Whether anything of the job lives. While its shim does, a trainer may start or its end be written down. */
export async function isAlive(job: Job): Promise<boolean> {
  return (await livingTrainers()).has(job.folder);
}

/** Pids of all trainers on this host, by job folder. Empty for a job of which only the shim lives. */
export async function livingTrainers(): Promise<ReadonlyMap<string, number[]>> {
  const living = new Map<string, number[]>();
  for (const { folder, pid, isShim } of await markedProcesses()) {
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
export async function endTrainer(job: Job): Promise<void> {
  if (await goneAfter(job, 'SIGTERM', TERM_GRACE_MS)) return;
  if (await goneAfter(job, 'SIGKILL', KILL_DEADLINE_MS)) return;
  const left = await jobPids(job);
  throw new Error(
    `processes ${left.join(', ')} of ${job.folder} survived SIGKILL for ${String(KILL_DEADLINE_MS / 1000)} s`,
  );
}

async function goneAfter(job: Job, signal: NodeJS.Signals, waitMs: number): Promise<boolean> {
  const deadline = Date.now() + waitMs;
  const signalled = new Set<number>();
  for (let emptyLooks = 0; ;) {
    const pids = await jobPids(job);
    emptyLooks = pids.length === 0 ? emptyLooks + 1 : 0;
    // Two looks: a process that is just being executed shows no environment.
    if (emptyLooks === 2) return true;
    if (Date.now() > deadline) return false;
    // A process that was forked after the last look gets its signal now.
    for (const pid of pids) if (!signalled.has(pid)) send(pid, signal);
    for (const pid of pids) signalled.add(pid);
    await delay(LOOK_AGAIN_MS);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in between.
  }
}

interface Marked {
  readonly pid: number;
  readonly folder: string;
  readonly isShim: boolean;
}

async function jobPids(job: Job): Promise<number[]> {
  return (await markedProcesses()).flatMap(({ folder, pid }) => (folder === job.folder ? [pid] : []));
}

async function markedProcesses(): Promise<Marked[]> {
  const pids = (await readdir('/proc')).flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  return (await Promise.all(pids.map(markOf))).flat();
}

/** The process, if it bears a mark. */
async function markOf(pid: number): Promise<Marked[]> {
  try {
    const environment = await readFile(`/proc/${String(pid)}/environ`, 'utf8');
    const mark = environment.split('\0').find((entry) => entry.startsWith(`${MARK}=`));
    if (mark === undefined) return [];
    const command = await readFile(`/proc/${String(pid)}/cmdline`, 'utf8');
    // Both go when a process ends, one after the other: without this, an ending shim would pass for a trainer.
    if (command === '') return [];
    return [{ pid, folder: mark.slice(MARK.length + 1), isShim: command.includes('trainer/shim.py') }];
  } catch {
    // Gone, a kernel thread, or somebody else's.
    return [];
  }
}
