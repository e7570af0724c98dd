/**
 * @module Weights on a host: a cache by checksum, and the places in the GLEE checkout where GLEE itself looks.
 */
import { uptime } from 'node:os';
import { copyFile, link, mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import type { InitialWeights } from '../../../contracts/training.ts';
import type { PlacedFile, WeightsFile } from '../../../contracts/weights.ts';
import { fail } from '../../support/failures.ts';
import {
  hasContent,
  isNotFound,
  publish,
  removeAbandoned,
  sizeIfThere,
  temporaryName,
} from '../../files/atomic-files.ts';
import type { ObjectStore } from '../../storage/ports/object-store.ts';
import { downloadProven, type StoredDamage } from './proven-download.ts';

const ENDING = '.pth';

export interface WeightsPlaces {
  readonly store: ObjectStore;
  readonly scratch: string;
  readonly checkout: string;
}

/**
 * @returns The path for MODEL.WEIGHTS.
 * @throws WrongWeights, MissingFile when the file on the host, or in S3, is not the one that the plan names.
 */
export async function placeWeights(
  places: WeightsPlaces,
  weights: InitialWeights,
  signal: AbortSignal,
): Promise<string> {
  if (weights.kind === 'artifact') return fetchToCache(places, weights.artifact, signal);
  const path = pathInCheckout(places.checkout, weights.path);
  if ((await sizeIfThere(path)) === undefined)
    throw fail('MissingFile', `initial weights ${path} are not on this host`);
  if (await hasContent(path, weights, signal)) return path;
  throw fail(
    'WrongWeights',
    `${path} is not the file that the run was planned with (sha256 ${weights.sha256})`,
  );
}

/**
 * Puts a file where GLEE expects it, verified, and whole from the first moment on.
 * @throws WrongWeights when another file lies there: it is someone's, and another training may be reading it.
 */
export async function placeFile(
  places: WeightsPlaces,
  { path, file }: PlacedFile,
  signal: AbortSignal,
): Promise<void> {
  const target = pathInCheckout(places.checkout, path);
  const cached = weightsPath(places.scratch, file.sha256);
  if (await isSameFile(target, cached)) {
    if ((await wasUsedSinceBoot(cached)) || (await hasContent(cached, file, signal))) return touch(cached);
    // Two names of one file that a loss of power damaged: a download takes the place of both.
    for (const path of [target, cached]) await rm(path, { force: true });
  }
  if ((await sizeIfThere(target)) !== undefined) {
    if (await hasContent(target, file, signal)) return;
    const found = `is not ${file.name} (sha256 ${file.sha256})`;
    throw fail(
      'WrongWeights',
      `${target} ${found}: move it away, or name it as an artifact of its own in artifacts.yaml`,
    );
  }
  const source = await fetchToCache(places, file, signal);
  await mkdir(dirname(target), { recursive: true });
  await removeAbandoned(target);
  const temporary = temporaryName(target);
  try {
    await linkOrCopy(source, temporary, file, signal);
    await publish(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Final weights are the next stage's initial weights: kept where `placeWeights` looks. */
export async function keepAsWeights(scratch: string, path: string, sha256: string): Promise<void> {
  const target = weightsPath(scratch, sha256);
  await mkdir(dirname(target), { recursive: true });
  // Another run on this host may end with the same weights, or begin from them, at this moment.
  const temporary = temporaryName(target);
  await link(path, temporary);
  await publish(temporary, target);
  await rm(temporary, { force: true });
  await touch(target);
}

export interface CachedWeights {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/**
 * Removes the least recently used until the rest fits the limit.
 *
 * @param inUse Checksums that a trainer of this host reads, or is about to.
 * @returns What is left.
 */
export async function trimCache(
  scratch: string,
  limitBytes: number,
  inUse: ReadonlySet<string>,
): Promise<readonly CachedWeights[]> {
  const oldestFirst = (await listCache(scratch)).sort((a, b) => a.usedAtMs - b.usedAtMs);
  let total = oldestFirst.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const left: CachedWeights[] = [];
  for (const { sha256, sizeBytes } of oldestFirst) {
    if (total > limitBytes && !inUse.has(sha256)) {
      await rm(weightsPath(scratch, sha256), { force: true });
      total -= sizeBytes;
    } else left.push({ sha256, sizeBytes });
  }
  return left;
}

async function listCache(
  scratch: string,
): Promise<(CachedWeights & { readonly usedAtMs: number; readonly sha256: string })[]> {
  const names = await readdir(join(scratch, 'weights')).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => {
      const sha256 = name.slice(0, -ENDING.length);
      if (!/^[0-9a-f]{64}\.pth$/.test(name)) return [];
      const { size, mtimeMs } = await stat(weightsPath(scratch, sha256));
      return [{ sha256, sizeBytes: size, usedAtMs: mtimeMs }];
    }),
  );
  return found.flat();
}

async function fetchToCache(
  { store, scratch }: WeightsPlaces,
  { name, bucket, key, sha256, sizeBytes }: WeightsFile,
  signal: AbortSignal,
): Promise<string> {
  const cached = weightsPath(scratch, sha256);
  if (!(await hasContent(cached, { sha256, sizeBytes }, signal))) {
    await removeAbandoned(cached);
    const damage = await downloadProven(store, { key, sizeBytes, sha256 }, cached, signal);
    if (damage !== undefined) throw notInS3(`s3://${bucket}/${key}`, name, damage);
  }
  await touch(cached);
  return cached;
}

function notInS3(address: string, name: string, { kind, message }: StoredDamage): Error {
  const remedy = `put the file back, or start the run under another id so that ${name} is prepared again`;
  if (kind === 'gone') return fail('MissingFile', `${address} (${name}) is gone: ${remedy}`);
  return fail('WrongWeights', `${address} is not ${name} as the run was planned with: ${message}; ${remedy}`);
}

/**
 * Where the cache has, or would have, a file.
 * @throws WrongWeights: a workflow's input is typed by people.
 */
export function weightsPath(scratch: string, sha256: string): string {
  if (!/^[0-9a-z]{1,64}$/.test(sha256)) throw fail('WrongWeights', `'${sha256}' is not a SHA-256`);
  return join(scratch, 'weights', `${sha256}${ENDING}`);
}

/** @throws InvalidConfig: a workflow's input is typed by people. */
export function pathInCheckout(checkout: string, path: string): string {
  const target = resolve(checkout, path);
  if (target.startsWith(checkout + sep)) return target;
  throw fail('InvalidConfig', `weights ${path} lie outside the checkout`);
}

/** A link needs no space and no time; another file system needs a copy, which may go wrong. */
async function linkOrCopy(
  source: string,
  target: string,
  expected: WeightsFile,
  signal: AbortSignal,
): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
    await copyFile(source, target);
    if (!(await hasContent(target, expected, signal))) throw new Error(`${target} was not copied whole`);
  }
}

/** The link that an earlier attempt made: gigabytes need not be hashed at each start. */
async function isSameFile(path: string, other: string): Promise<boolean> {
  try {
    const [one, two] = await Promise.all([stat(path), stat(other)]);
    return one.ino === two.ino && one.dev === two.dev;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** Each use follows a verification. Downloads are not flushed: a loss of power may have left less than was written. */
async function wasUsedSinceBoot(path: string): Promise<boolean> {
  const bootedAtMs = Date.now() - uptime() * 1000;
  return (await stat(path)).mtimeMs > bootedAtMs;
}

/** Modification time stands for the last use: access times are switched off on many disks. */
async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}
