/**
 * @module An attempt takes its stage, and learns which checkpoint to continue from: the head's, or the newest before it
 * where that one is damaged or gone, or where the training is to go back.
 */
import { isOnLine, type Checkpoint, type GoBack, type Head } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import { fail } from '../support/failures.ts';
import type { Bucket } from '../storage/bucket.ts';
import { nameOfKey } from '../storage/ports/object-store.ts';
import { claimHead, leaveLine, replaceInHead } from './head.ts';
import { takeSnapshot, type StageKey } from './snapshot.ts';

export interface Claim {
  /** Null when the stage has no checkpoint yet. */
  readonly checkpoint: Checkpoint | null;
  /** What the head named, where that would not do, or was left. */
  readonly insteadOf?: Checkpoint;
}

/** What else than the head's own checkpoint an attempt may have to continue from. */
export interface ClaimOptions {
  /** S3 keys of files that a host has found to be damaged. */
  readonly damaged?: readonly string[];
  readonly goBack?: GoBack;
}

/**
 * From here on, no older attempt can commit. Asked twice, it answers the same.
 *
 * @throws Superseded when a newer attempt has the stage; NoGoodCheckpoint when there were checkpoints, and none is left.
 */
export async function claimStage(
  bucket: Bucket,
  stage: StageKey,
  token: number,
  { damaged = [], goBack }: ClaimOptions,
  signal: AbortSignal,
): Promise<Claim> {
  const head = await claimHead(bucket.store, stage, token);
  const isBack = head.left?.some(({ by }) => by === token) === true;
  if (goBack !== undefined && !isBack && head.checkpoint !== null)
    return leave(bucket, stage, token, { damaged, goBack, head, named: head.checkpoint }, signal);
  const named = head.checkpoint;
  if (named === null || (await isWhole(bucket, named, damaged, signal))) return { checkpoint: named };
  const candidate = await newestBefore(bucket, stage, { named, damaged, head }, signal);
  if (candidate === undefined) throw noGoodCheckpoint(bucket, stage, named);
  await replaceInHead(bucket.store, stage, token, { damaged: named, by: candidate }, signal);
  return { checkpoint: candidate, insteadOf: named };
}

/** Where nothing before it is whole, the attempt stays at the newest, unless a person asked for the very beginning. */
async function leave(
  bucket: Bucket,
  stage: StageKey,
  token: number,
  { named, goBack, ...known }: Known & { readonly goBack: GoBack },
  signal: AbortSignal,
): Promise<Claim> {
  const most = goBack.kind === 'to' ? goBack.iterations : named.iterations - 1;
  if (most >= named.iterations) return { checkpoint: named };
  const to = await newestBefore(bucket, stage, { ...known, named, most }, signal);
  const isBeginning = goBack.kind === 'to' && goBack.iterations === 0;
  if (to === undefined && !isBeginning) return { checkpoint: named };
  await leaveLine(bucket.store, stage, token, to ?? null, signal);
  return { checkpoint: to ?? null, insteadOf: named };
}

interface Known {
  readonly head: Head;
  /** What the head names. */
  readonly named: Checkpoint;
  readonly damaged: readonly string[];
  /** Of at most so many iterations. */
  readonly most?: number;
}

async function newestBefore(
  bucket: Bucket,
  stage: StageKey,
  { head, named, damaged, most = named.iterations }: Known,
  signal: AbortSignal,
): Promise<Checkpoint | undefined> {
  const { checkpoints } = await takeSnapshot(bucket, stage, signal);
  const before = checkpoints
    .filter((one) => one.iterations <= most && one.file.key !== named.file.key && isOnLine(one, head.left))
    .reverse();
  for (const candidate of before) if (await isWhole(bucket, candidate, damaged, signal)) return candidate;
  return undefined;
}

function noGoodCheckpoint({ store }: Bucket, { run, stage }: StageKey, named: Checkpoint): Error {
  const head = `s3://${store.bucket}/${store.keyOf(keys.head(run, stage))}`;
  return fail(
    'NoGoodCheckpoint',
    `${named.file.key} is damaged or gone, and there is no whole checkpoint before it: put one back with 'glee checkpoints push', or delete ${head} to train the stage again`,
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
