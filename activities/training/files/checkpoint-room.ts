/**
 * @module Room on a host's disks for what a stage places there, as `host-weights.ts` would place it.
 */
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DiskRoom, PlacedInput } from '../../../contracts/training.ts';
import type { WeightsFile } from '../../../contracts/weights.ts';
import { isNotFound, sizeIfThere } from '../../files/atomic-files.ts';
import { pathInCheckout, weightsPath } from './host-weights.ts';

export interface HostFolders {
  readonly scratch: string;
  readonly checkout: string;
}

export async function measureFreeSpace(
  { scratch, checkout }: HostFolders,
  { weights, files }: PlacedInput,
): Promise<readonly DiskRoom[]> {
  const unplaced = await filter(
    files,
    async ({ path }) => (await sizeIfThere(pathInCheckout(checkout, path))) === undefined,
  );
  const wanted = [
    ...unplaced.map(({ file }) => file),
    ...(weights.kind === 'artifact' ? [weights.artifact] : []),
  ];
  const uncached = await filter(
    [...new Map(wanted.map((file) => [file.sha256, file])).values()],
    async ({ sha256, sizeBytes }) => (await sizeIfThere(weightsPath(scratch, sha256))) !== sizeBytes,
  );
  const disk = await look(scratch);
  const cache = { path: scratch, freeBytes: disk.freeBytes, neededBytes: sizeOf(uncached) };
  const other = await look(checkout);
  // On one disk, what lies in the checkout is a link into the cache.
  if (other.device === disk.device) return [cache];
  const neededBytes = sizeOf(unplaced.map(({ file }) => file));
  return [cache, { path: checkout, freeBytes: other.freeBytes, neededBytes }];
}

function sizeOf(files: readonly Pick<WeightsFile, 'sizeBytes'>[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Of the disk that has the folder, or will have it. */
async function look(folder: string): Promise<{ readonly device: number; readonly freeBytes: number }> {
  try {
    const [{ dev }, { bavail, bsize }] = await Promise.all([stat(folder), statfs(folder)]);
    return { device: dev, freeBytes: bavail * bsize };
  } catch (error) {
    if (!isNotFound(error) || dirname(folder) === folder) throw error;
    return look(dirname(folder));
  }
}

async function filter<T>(all: readonly T[], wanted: (one: T) => Promise<boolean>): Promise<readonly T[]> {
  const answers = await Promise.all(all.map(wanted));
  return all.filter((_, index) => answers[index]);
}
