/**
 * @module Puts what an attempt begins from onto the host: the checkpoint to resume, or the initial weights.
 */
import { link, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import type { InitialWeights } from '../../contracts/training.ts';
import { fail } from '../fail.ts';
import { hasContent, sizeIfThere, writeFileAtomically } from '../storage/files.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { listJobs, type Job } from './job.ts';

/** Makes `--resume` continue from just this checkpoint; a file that an earlier attempt left here is used when it is the same. */
export async function restoreCheckpoint(
  store: ObjectStore,
  scratch: string,
  job: Job,
  checkpoint: Checkpoint,
  signal: AbortSignal,
): Promise<void> {
  const { name, file } = checkpoint;
  const target = join(job.output, name);
  const candidates = (await listJobs(scratch, job.identity)).map(({ output }) => join(output, name));
  if (!(await linkSame(candidates, target, file, signal))) {
    await store.download(
      { fullKey: file.key, sizeBytes: file.sizeBytes, sha256: file.sha256 },
      target,
      signal,
    );
  }
  await writeFileAtomically(join(job.output, 'last_checkpoint'), name);
}

/**
 * @returns The path for MODEL.WEIGHTS.
 * @throws WrongWeights, MissingFile when the host's file is not the one that the plan names.
 */
export async function placeWeights(
  store: ObjectStore,
  { scratch, checkout }: { readonly scratch: string; readonly checkout: string },
  weights: InitialWeights,
  signal: AbortSignal,
): Promise<string> {
  if (weights.kind === 'artifact') {
    const { key, sha256, sizeBytes } = weights.artifact;
    const cached = weightsPath(scratch, sha256);
    if (!(await hasContent(cached, weights.artifact, signal))) {
      await store.download({ fullKey: key, sizeBytes, sha256 }, cached, signal);
    }
    return cached;
  }
  const path = resolve(checkout, weights.path);
  if (!path.startsWith(checkout + sep))
    throw fail('InvalidConfig', `weights ${weights.path} lie outside the checkout`);
  if ((await sizeIfThere(path)) === undefined)
    throw fail('MissingFile', `initial weights ${path} are not on this host`);
  if (await hasContent(path, weights, signal)) return path;
  throw fail(
    'WrongWeights',
    `${path} is not the file that the run was planned with (sha256 ${weights.sha256})`,
  );
}

/** Final weights are the next stage's initial weights: kept where `placeWeights` looks. */
export async function keepAsWeights(scratch: string, path: string, sha256: string): Promise<void> {
  const target = weightsPath(scratch, sha256);
  await mkdir(dirname(target), { recursive: true });
  await rm(target, { force: true });
  await link(path, target);
}

/** Frees the disk of checkpoints that the job no longer needs; its log and metrics stay. */
export async function removeCheckpoints(job: Job): Promise<void> {
  const files = await readdir(job.output).catch(() => []);
  // Downloads of a worker that was killed, too.
  const checkpoints = files.filter((file) => /\.pth(\.[\w-]+\.tmp)?$/.test(file));
  await Promise.all(checkpoints.map((file) => rm(join(job.output, file), { force: true })));
}

function weightsPath(scratch: string, sha256: string): string {
  return join(scratch, 'weights', `${sha256}.pth`);
}

async function linkSame(
  candidates: readonly string[],
  target: string,
  expected: { readonly sizeBytes: number; readonly sha256: string },
  signal: AbortSignal,
): Promise<boolean> {
  for (const candidate of candidates) {
    if (!(await hasContent(candidate, expected, signal))) continue;
    if (candidate === target) return true;
    await rm(target, { force: true });
    await link(candidate, target);
    return true;
  }
  return false;
}
