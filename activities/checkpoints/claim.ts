/**
 * @module An attempt takes its stage, and learns which checkpoint to go on from: the head's, or the newest before it
 * where that one is damaged or gone.
 */
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import { fail } from '../fail.ts';
import type { Bucket } from '../storage/bucket.ts';
import { nameOfKey } from '../storage/object-store.ts';
import { claimHead, replaceInHead } from './head.ts';
import { takeSnapshot, type StageKey } from './snapshot.ts';

export interface Claim {
  /** Null when the stage has no checkpoint yet. */
  readonly checkpoint: Checkpoint | null;
  /** What the head named, where that would not do. */
  readonly insteadOf?: Checkpoint;
}

/**
 * From here on, no older attempt can commit. Asked twice, it answers the same.
 *
 * @param damaged S3 keys of files that a host has found to be damaged.
 * @throws Superseded when a newer attempt has the stage; NoGoodCheckpoint when there were checkpoints, and none is left.
 */
export async function claimStage(
  bucket: Bucket,
  stage: StageKey,
  token: number,
  damaged: readonly string[],
  signal: AbortSignal,
): Promise<Claim> {
  const named = await claimHead(bucket.store, stage, token);
  if (named === null || (await isWhole(bucket, named, damaged, signal))) return { checkpoint: named };
  const { checkpoints } = await takeSnapshot(bucket, stage, signal);
  const before = checkpoints
    .filter(({ iterations, file }) => iterations <= named.iterations && file.key !== named.file.key)
    .reverse();
  for (const candidate of before) {
    if (!(await isWhole(bucket, candidate, damaged, signal))) continue;
    await replaceInHead(bucket.store, stage, token, { damaged: named, by: candidate }, signal);
    return { checkpoint: candidate, insteadOf: named };
  }
  const head = `s3://${bucket.store.bucket}/${bucket.store.keyOf(keys.head(stage.run, stage.stage))}`;
  throw fail(
    'NoGoodCheckpoint',
    `${named.file.key} is damaged or gone, and there is no whole checkpoint before it: put one back with 'glee checkpoints push', or delete ${head} to train the stage anew`,
  );
}

/** As far as S3 says without sending it: its bytes are checked by whoever restores it. */
async function isWhole(
  { store, objects }: Bucket,
  { file }: Checkpoint,
  damaged: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  if (damaged.includes(file.key)) return false;
  const name = nameOfKey(store, file.key);
  return name !== undefined && (await objects.find(name, signal))?.sizeBytes === file.sizeBytes;
}
