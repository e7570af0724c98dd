/**
 * @module Puts the checkpoint that an attempt resumes onto the host.
 */
import { link, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint, CheckpointTimes } from '../../../contracts/checkpoints.ts';
import { addTimes } from '../../checkpoints/commit.ts';
import { fail } from '../../support/failures.ts';
import { finalName, hasContent, removeAbandoned, writeFileAtomically } from '../../files/atomic-files.ts';
import type { ObjectStore } from '../../storage/ports/object-store.ts';
import { within } from '../../support/time-limit.ts';
import { weightsPath } from './host-weights.ts';
import { listJobs, type Job } from '../jobs/job.ts';
import { downloadProven, type StoredDamage } from './proven-download.ts';

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
  const { file } = checkpoint;
  const { name } = asRestored(checkpoint);
  const target = join(job.output, name);
  const jobs = (await listJobs(scratch, job.identity)).map(({ output }) => join(output, checkpoint.name));
  // An execution that rested at this checkpoint has left it in the cache.
  const candidates = [...jobs, weightsPath(scratch, file.sha256)];
  if (!(await linkSame(candidates, target, file, signal))) {
    await removeAbandoned(target);
    const began = performance.now();
    const damage = await downloadProven(store, file, target, signal);
    if (damage !== undefined) throw damaged(checkpoint, damage);
    await noteRestore(store, checkpoint, { host, seconds: (performance.now() - began) / 1000 }, signal);
  }
  await writeFileAtomically(join(job.output, 'last_checkpoint'), name);
}

/** What an attempt finds on its host: from final weights a stage that was extended continues as from any others. */
export function asRestored(checkpoint: Checkpoint): Checkpoint {
  if (!checkpoint.final) return checkpoint;
  const number = String(checkpoint.iterations - 1).padStart(7, '0');
  return { ...checkpoint, final: false, name: `model_${number}.pth` };
}

function damaged({ file, iterations }: Checkpoint, { message }: StoredDamage): Error {
  const text = `the checkpoint of iteration ${iterations} is not what was committed: ${message}`;
  return fail('DamagedCheckpoint', text, { damaged: file.key, at: Date.now() });
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
