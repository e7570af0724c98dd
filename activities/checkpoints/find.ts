/** @module Checkpoints by the names that people give them. */
import type { Checkpoint, CheckpointRef } from '../../contracts/checkpoints.ts';
import type { Bucket } from '../storage/bucket.ts';
import { takeSnapshot } from './snapshot.ts';

/** Undefined where there is none. Of several with as many iterations, the one of the newest attempt. */
export async function findCheckpoint(
  bucket: Bucket,
  ref: CheckpointRef,
  signal: AbortSignal,
): Promise<Checkpoint | undefined> {
  const { head, checkpoints } = await takeSnapshot(bucket, ref, signal);
  const { which } = ref;
  if (which === 'newest') return head?.checkpoint ?? checkpoints.at(-1);
  // The head's own word counts also where its manifest is gone.
  const all = [...checkpoints, ...(head?.checkpoint ? [head.checkpoint] : [])];
  return all.findLast(({ final, iterations }) => (which === 'final' ? final : iterations === which));
}
