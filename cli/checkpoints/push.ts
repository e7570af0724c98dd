/** @module `glee checkpoints push`: a file from anywhere becomes a checkpoint that stages can begin from. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { findCheckpoint } from '../../activities/checkpoints/find.ts';
import { PEOPLE, pin } from '../../activities/checkpoints/pins.ts';
import { manifestName } from '../../activities/checkpoints/snapshot.ts';
import { readCheckpoint } from '../../activities/torch-file/checkpoint.ts';
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { copyProgress } from '../weights/progress.ts';
import { countText } from '../shared/format-count.ts';
import { withSource } from '../shared/artifact-sources.ts';
import { mustBeRef, refOf } from './stages.ts';

const CLEANUP_MS = 10_000;

export async function push(file: string, text: string, options: OutputOptions): Promise<void> {
  const ref = mustBeRef(text);
  const { run, stage, which: iterations } = ref;
  if (typeof iterations !== 'number' || iterations < 1) {
    throw new UserError(`say how many iterations it stands for, as ${run}/${stage}@1`);
  }
  await withBucket(async (bucket, signal) => {
    // Only its index is read: a file that torch could not load must not look like a checkpoint.
    const tensors = await withSource(
      file,
      signal,
      async (source) => (await readCheckpoint(source, signal)).tensors,
    );
    if ((await findCheckpoint(bucket, ref, signal)) !== undefined) {
      throw new UserError(`S3 has ${text} already: take other iterations, or another run id`);
    }
    const token = Date.now();
    const name = `model_${String(iterations - 1).padStart(7, '0')}.pth`;
    const target = `${keys.attempt(run, stage, token)}/${name}`;
    const progress = await copyProgress((await stat(file)).size);
    const uploaded = await bucket.store
      .upload(target, resolve(file), signal, { onProgress: progress.update })
      .catch(async (error: unknown) => {
        // No one continues with it: the next push has a token of its own.
        await bucket.uploads.abortAll(`${keys.attempt(run, stage, token)}/`, AbortSignal.timeout(CLEANUP_MS));
        throw error;
      })
      .finally(() => progress.clear());
    const checkpoint: Checkpoint = {
      ...{
        run,
        stage,
        token,
        name,
        iterations,
        final: false,
        savedAt: Math.round((await stat(file)).mtimeMs),
      },
      file: { key: bucket.store.keyOf(target), ...uploaded },
    };
    const manifest = JSON.stringify(checkpoint, undefined, 2);
    await bucket.store.writeText(manifestName(checkpoint), manifest, { ifNoneMatch: '*' }, signal);
    await pin(bucket, checkpoint, PEOPLE, signal);
    print({ ...checkpoint, tensors: tensors.length }, options, render);
  });
}

function render(checkpoint: Checkpoint & { readonly tensors: number }): string {
  return `${refOf(checkpoint)}: ${countText(checkpoint.tensors)} tensors, sha256 ${checkpoint.file.sha256}, pinned; a stage begins from it with weights: { from: ${refOf(checkpoint)} }`;
}
