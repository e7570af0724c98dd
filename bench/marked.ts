/**
 * @module Processes that were started with a mark in their environment, and all that these have started: Ray's daemons
 * are in groups and sessions of their own, and must not outlive a measurement.
 */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const NAME = 'GLEE_BENCH_MARK';
const GRACE_MS = 3000;
const POLL_MS = 50;

export type Mark = Readonly<Record<typeof NAME, string>>;

export function markOf(value: string): Mark {
  return { [NAME]: value };
}

/** SIGTERM, then SIGKILL. @throws when something is left even then. */
export async function endMarked(mark: Mark): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const deadline = Date.now() + GRACE_MS;
    while (Date.now() < deadline) {
      const pids = await findMarked(mark);
      if (pids.length === 0) return;
      for (const pid of pids) send(pid, signal);
      await delay(POLL_MS);
    }
  }
  const left = await findMarked(mark);
  if (left.length > 0) throw new Error(`processes ${left.join(', ')} could not be ended`);
}

async function findMarked(mark: Mark): Promise<number[]> {
  const entries = await readdir('/proc');
  const pids = entries.filter((name) => /^\d+$/.test(name)).map(Number);
  const marked = await Promise.all(pids.map((pid) => hasMark(pid, `${NAME}=${mark[NAME]}`)));
  return pids.filter((_, index) => marked[index]);
}

/** A zombie's environment is empty: it counts as ended. */
async function hasMark(pid: number, entry: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  return environment.split('\0').includes(entry);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in between.
  }
}
