/**
 * @module Puts the checkpoint that an attempt resumes onto the host.
 */
import { link, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint, CheckpointTimes } from '../../contracts/checkpoints.ts';
import { addTimes } from '../checkpoints/commit.ts';
import { fail } from '../fail.ts';
import { finalName, hasContent, removeAbandoned, writeFileAtomically } from '../storage/files.ts';
import { WrongContent, type ObjectStore } from '../storage/object-store.ts';
import { within } from '../within.ts';
import { weightsPath } from './host-weights.ts';
import { listJobs, type Job } from './job.ts';

const NOTE_MS = 5000;
const RESTORES_KEPT = 8;

/** Makes `--resume` continue from just this checkpoint; a file that an earlier attempt left here is used when it is the same. */
export async function restoreCheckpoint(
  store: ObjectStore,
  { scratch, host }: { readonly scratch: string; readonly host: string },
  job: Job,
  checkpoint: Checkpoint,
  signal: AbortSignal,
): Promise<void> {
  const { name, file } = checkpoint;
  const target = join(job.output, name);
  const jobs = (await listJobs(scratch, job.identity)).map(({ output }) => join(output, name));
  // An execution that rested at this checkpoint has left it in the cache.
  const candidates = [...jobs, weightsPath(scratch, file.sha256)];
  if (!(await linkSame(candidates, target, file, signal))) {
    await removeAbandoned(target);
    const began = performance.now();
    await downloadProven(store, checkpoint, target, signal);
    await noteRestore(store, checkpoint, { host, seconds: (performance.now() - began) / 1000 }, signal);
  }
  await writeFileAtomically(join(job.output, 'last_checkpoint'), name);
}

/** Kept with the checkpoint, for people: no restore fails for it. */
async function noteRestore(
  store: ObjectStore,
  checkpoint: Checkpoint,
  { host, seconds }: { readonly host: string; readonly seconds: number },
  signal: AbortSignal,
): Promise<void> {
  const note = { host, at: Date.now(), seconds };
  const change = ({ restores = [], ...times }: CheckpointTimes) => ({
    ...times,
    restores: [...restores, note].slice(-RESTORES_KEPT),
  });
  await within(NOTE_MS, signal, (either) => addTimes(store, checkpoint, change, either)).catch(
    () => undefined,
  );
}

/** Twice, before S3 is blamed: what was damaged on the way is whole the second time. */
async function downloadProven(
  store: ObjectStore,
  { file, iterations }: Checkpoint,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const download = () => store.download({ ...file, fullKey: file.key }, target, signal);
  try {
    await download().catch((error: unknown) => {
      if (isDamage(error)) return download();
      throw error;
    });
  } catch (error) {
    if (!isDamage(error)) throw error;
    const message = `the checkpoint of iteration ${String(iterations)} is not what was committed: ${error.message}`;
    throw fail('DamagedCheckpoint', message, { damaged: file.key, at: Date.now() });
  }
}

function isDamage(error: unknown): error is Error {
  return error instanceof WrongContent || (error instanceof Error && error.name === 'NoSuchKey');
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
