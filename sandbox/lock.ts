/**
 * @module A lock between processes: a folder that holds one empty file, named after the process that holds the lock.
 * It is taken by renaming a prepared folder onto it, which the kernel refuses while the lock's folder has a file in
 * it; so the lock appears together with its holder's name, and a dead holder's file is removed without touching
 * the lock of a process that was faster.
 */
import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processStartTime } from './processes.ts';

const POLL_MS = 200;

export interface LockOptions {
  /** Called once when another process holds the lock. */
  readonly onWait?: (holderPid: number) => void;
  readonly signal?: AbortSignal | undefined;
}

let locksTaken = 0;

/** Does the work while this process, and in it this call, holds the lock. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const holder = `${process.pid}_${processStartTime(process.pid) ?? ''}`;
  await take(path, holder, options);
  try {
    return await work();
  } finally {
    await rm(join(path, holder), { force: true });
    // Fails when the next holder has moved in since; then the folder is theirs.
    await rmdir(path).catch(() => undefined);
  }
}

async function take(path: string, holder: string, options: LockOptions): Promise<void> {
  const prepared = `${path}.${process.pid}.${(locksTaken += 1)}`;
  await mkdir(prepared, { recursive: true });
  await writeFile(join(prepared, holder), '');
  try {
    let told = false;
    while (!(await movedOnto(prepared, path))) {
      const pid = await livingHolder(path);
      if (pid === undefined) continue;
      if (!told) options.onWait?.(pid);
      told = true;
      await sleep(POLL_MS, undefined, { signal: options.signal });
    }
  } finally {
    await rm(prepared, { recursive: true, force: true });
  }
}

async function movedOnto(prepared: string, path: string): Promise<boolean> {
  try {
    await rename(prepared, path);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}

/** The pid of the lock's holder; removes the mark of a dead one. */
async function livingHolder(path: string): Promise<number | undefined> {
  const [mark] = await readdir(path).catch(() => []);
  if (mark === undefined) return undefined;
  const [pid = '', startTime] = mark.split('_');
  if (processStartTime(Number(pid)) === startTime) return Number(pid);
  await rm(join(path, mark), { force: true });
  return undefined;
}
