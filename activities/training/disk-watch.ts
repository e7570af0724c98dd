/**
 * @module The disk that checkpoints are saved to, watched above all while S3 is away and they pile up. When it has no room
 * for one more, those go that S3 has, or that a newer one on the disk has replaced, first this trainer's and then what
 * ended ones have left.
 */
import { readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { keys } from '../../contracts/ids.ts';
import { CHECKPOINT_NAME } from '../checkpoints/snapshot.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import { statRegular } from '../files/regular-files.ts';
import { headSchema, readObject } from '../storage/schemas.ts';
import type { Classified } from './crashes/classify.ts';
import { listJobs, type Job } from './jobs/job.ts';
import { livingTrainers } from './jobs/processes.ts';
import type { Supervisors } from './supervisors.ts';
import { type Uploader } from './files/uploader.ts';
import { iterationsOf } from './files/checkpoint-names.ts';
import { sizeText } from '../../contracts/sizes.ts';

/** A save needs the size of the one before, and metrics and logs continue as well. */
const MARGIN = 1.1;
/** With nothing left to remove, it is not tried again at once. */
const REST_MS = 10_000;
const ASK_S3_MS = 3000;

export interface Disk {
  readonly store: ObjectStore;
  readonly scratch: string;
  readonly supervisors: Supervisors;
  readonly job: Job;
  readonly uploader: Uploader;
}

export interface DiskWatch {
  /**
   * Makes room where the next checkpoint has none; what is wrong, in words, when that was in vain.
   * @param hasLoaded Whether the trainer has loaded what it begins with.
   */
  look(hasLoaded: boolean): Promise<string | undefined>;
}

export function createDiskWatch(disk: Disk): DiskWatch {
  let trouble: string | undefined;
  let restsUntil = 0;
  return {
    async look(hasLoaded) {
      const needed = MARGIN * (await largest(disk.job));
      const isEnough = async () => (await freeBytes(disk.scratch)) >= needed;
      if (needed === 0 || (await isEnough())) return (trouble = undefined);
      if (Date.now() < restsUntil) return trouble;
      await disk.uploader.removeReplaced(hasLoaded);
      if (await isEnough()) return (trouble = undefined);
      await removeLeftovers(disk);
      if (await isEnough()) return (trouble = undefined);
      restsUntil = Date.now() + REST_MS;
      return (trouble = await diskText(disk, needed));
    },
  };
}

/**
 * Removes checkpoints of trainers that have ended, as far as S3 has them or newer ones of their stage.
 *
 * @returns Bytes that were freed.
 */
export async function removeLeftovers({
  store,
  scratch,
  supervisors,
  job,
}: Omit<Disk, 'uploader' | 'job'> & { readonly job?: Job }): Promise<number> {
  const living = await livingTrainers();
  let freed = 0;
  for (const other of await listJobs(scratch)) {
    if (other.folder === job?.folder || living.has(other.folder) || supervisors.isWatched(other.folder))
      continue;
    const files = await checkpointsOf(other);
    if (files.length === 0) continue;
    const head = await headOf(store, other);
    for (const { path, name, sizeBytes } of files) {
      const iterations = iterationsOf(name);
      const isSafe =
        head !== null && (head.final || (iterations !== undefined && iterations <= head.iterations));
      if (!isSafe) continue;
      await rm(path, { force: true });
      freed += sizeBytes;
    }
  }
  return freed;
}

/** What a trainer failed with, and of a full disk what is on it. */
export async function failureText(scratch: string, { type, message }: Classified): Promise<string> {
  return type === 'DiskFull' ? `${message}; ${await fullDiskText(scratch)}` : message;
}

/** `12 MB free below GLEE_SCRATCH (/scratch), 2 checkpoints there are not in S3` */
export async function fullDiskText(scratch: string): Promise<string> {
  const files = (await Promise.all((await listJobs(scratch)).map(checkpointsOf))).flat();
  const free = sizeText(await freeBytes(scratch));
  const held = sizeText(files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const what = `${files.length} checkpoints there (${held}) are of use yet`;
  return `${free} free below GLEE_SCRATCH (${scratch}), and ${files.length === 0 ? 'no checkpoint is there to be removed' : what}`;
}

async function diskText({ scratch }: Disk, needed: number): Promise<string> {
  return `no room for the next checkpoint, which needs ${sizeText(needed)}: ${await fullDiskText(scratch)}`;
}

async function headOf(store: ObjectStore, { identity: { run, stage } }: Job) {
  try {
    const head = await readObject(store, keys.head(run, stage), headSchema, AbortSignal.timeout(ASK_S3_MS));
    return head?.value.checkpoint ?? null;
  } catch {
    // S3 is away: it is not known to be safe.
    return null;
  }
}

async function checkpointsOf({ output }: Job) {
  const names = (await readdir(output).catch(() => [])).filter((name) => CHECKPOINT_NAME.test(name));
  const files = await Promise.all(
    names.map(async (name) => {
      const path = join(output, name);
      const found = await statRegular(path).catch(() => undefined);
      return found === undefined ? [] : [{ name, path, sizeBytes: found.size }];
    }),
  );
  return files.flat();
}

async function largest(job: Job): Promise<number> {
  return Math.max(0, ...(await checkpointsOf(job)).map(({ sizeBytes }) => sizeBytes));
}

export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
