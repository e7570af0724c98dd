/**
 * @module Who writes a temporary file, as its name says it: the next writer of the same target tells a file that
 * someone still writes from one that a killed process has left.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** Whoever still wrote to it would have done so: downloads give up after minutes of silence. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;
const MARK = /^([0-9a-f]{12})-(\d+)-(\d+)-[0-9a-f]{8}$/;

/** Names this process, and is used once: letters, digits and dashes. */
export function writerMark(): string {
  return [PLACE, process.pid, startOf('self') ?? 0, randomUUID().slice(0, 8)].join('-');
}

/** True only when it is sure: where pids cannot be compared, the file must have lain untouched for a day. */
export async function isAbandoned(mark: string, path: string, now = Date.now()): Promise<boolean> {
  const [, place, pid, start] = MARK.exec(mark) ?? [];
  if (place === PLACE && pid !== undefined) return isGone(Number(pid), Number(start));
  // Of the change of the inode: a link is as old as its file.
  const { ctimeMs } = await stat(path);
  return now - ctimeMs > ABANDONED_AFTER_MS;
}

/** Where pids mean the same: this boot of this machine, and on it this container. Without /proc, only this process. */
const PLACE = placeOfPids().slice(0, 12);

function placeOfPids(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
    return createHash('sha256').update(boot).update(readlinkSync('/proc/self/ns/pid')).digest('hex');
  } catch {
    return randomUUID().replaceAll('-', '');
  }
}

function isGone(pid: number, start: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Anything else: it lives, and belongs to someone else.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return true;
  }
  // A pid is given to another process later; its start is not.
  const now = startOf(pid);
  return now !== undefined && now !== start;
}

/** In ticks since the boot; undefined where it cannot be read. */
function startOf(pid: number | 'self'): number | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program comes before, in parentheses, and may hold anything.
    return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return undefined;
  }
}
