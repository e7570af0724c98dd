/**
 * @module Puts the checkpoint that an attempt resumes onto the host.
 */
import { link, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import { finalName, hasContent, removeAbandoned, writeFileAtomically } from '../storage/files.ts';
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
    await removeAbandoned(target);
    await store.download(
      { fullKey: file.key, sizeBytes: file.sizeBytes, sha256: file.sha256 },
      target,
      signal,
    );
  }
  await writeFileAtomically(join(job.output, 'last_checkpoint'), name);
}

/** Frees the disk of checkpoints that the job no longer needs; its log and metrics stay. */
export async function removeCheckpoints(job: Job): Promise<void> {
  const files = await readdir(job.output).catch(() => []);
  // Downloads of a worker that was killed, too.
  const checkpoints = files.filter((file) => finalName(file).endsWith('.pth'));
  await Promise.all(checkpoints.map((file) => rm(join(job.output, file), { force: true })));
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
