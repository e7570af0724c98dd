/**
 * @module Deletes checkpoints that retention does not keep, and the garbage that crashes have left.
 *
 * The manifest goes first, then the file: a crash in between leaves a file that nothing names, which the next pass finds.
 * A pin that comes meanwhile wins: whoever pins looks for the manifest after, and whoever removes one looks for pins after.
 */
import type { Checkpoint, Retention } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import type { Bucket } from '../storage/bucket.ts';
import { nameOfKey } from '../storage/ports/object-store.ts';
import type { MultipartUpload } from '../storage/ports/multipart-uploads.ts';
import type { StoredObject } from '../storage/ports/stored-objects.ts';
import { expired, idOf } from './retention.ts';
import { fileAt, manifestName, pinOf, takeSnapshot, type StageKey, type StageSnapshot } from './snapshot.ts';

export interface PruneOptions {
  readonly retention: Retention;
  /** May its newest attempt still be writing? Then nothing of that attempt is garbage. */
  readonly running: boolean;
  /** What is younger is no garbage: an activity whose workflow was terminated may be about to commit it. Milliseconds. */
  readonly graceMs: number;
}

export interface Removable {
  readonly expired: readonly Checkpoint[];
  /** Files of checkpoints that no manifest, head, result or pin names. */
  readonly garbage: readonly StoredObject[];
  /** Unfinished uploads of attempts that can commit nothing any more. */
  readonly uploads: readonly MultipartUpload[];
  /** What removing it all frees; what two names share counts once. */
  readonly freedBytes: number;
}

/** What would be removed now; removes nothing. */
export async function findRemovable(
  bucket: Bucket,
  stage: StageKey,
  options: PruneOptions,
  signal: AbortSignal,
): Promise<Removable> {
  return (await look(bucket, stage, options, signal)).removable;
}

/** @returns What was removed: a checkpoint that someone has just pinned is not. */
export async function prune(
  bucket: Bucket,
  stage: StageKey,
  options: PruneOptions,
  signal: AbortSignal,
): Promise<Removable> {
  const { snapshot, removable: found } = await look(bucket, stage, options, signal);
  const removed: Checkpoint[] = [];
  for (const checkpoint of found.expired) {
    if (await removeCheckpoint(bucket, checkpoint, isNeeded(snapshot, checkpoint, found.expired), signal)) {
      removed.push(checkpoint);
    }
  }
  for (const { name } of found.garbage) await bucket.objects.remove(name, signal);
  for (const upload of found.uploads) await bucket.uploads.abort(upload, signal);
  return { ...found, expired: removed };
}

async function look(bucket: Bucket, stage: StageKey, options: PruneOptions, signal: AbortSignal) {
  const folder = keys.attempts(stage.run, stage.stage);
  // Uploads first: one that is finished meanwhile is then seen as a file, and not taken for garbage of its age.
  const uploads = await bucket.uploads.list(folder, signal);
  const snapshot = await takeSnapshot(bucket, stage, signal);
  return { snapshot, removable: decide(bucket, snapshot, uploads, options) };
}

function decide(
  { store }: Bucket,
  snapshot: StageSnapshot,
  uploads: readonly MultipartUpload[],
  { retention, running, graceMs }: PruneOptions,
): Removable {
  const { head, objects } = snapshot;
  const gone = expired(snapshot, retention);
  const named = namedFiles(store, snapshot);
  const isOver = (token: number) => head !== undefined && (token < head.token || !running);
  const garbage = objects.filter(({ name, modifiedAt }) => {
    const file = fileAt(name);
    if (file === undefined || !isOver(file.token) || named.has(store.keyOf(name))) return false;
    return file.token < (head?.token ?? 0) || Date.now() - modifiedAt >= graceMs;
  });
  const freed = new Map(
    gone.flatMap((checkpoint) =>
      isNeeded(snapshot, checkpoint, gone) ? [] : [[checkpoint.file.key, checkpoint.file.sizeBytes] as const],
    ),
  );
  return {
    expired: gone,
    garbage,
    uploads: uploads.filter(({ name }) => isOver(tokenAt(name))),
    freedBytes: [...freed.values(), ...garbage.map(({ sizeBytes }) => sizeBytes)].reduce((a, b) => a + b, 0),
  };
}

/** Of the attempt below which an object lies. */
function tokenAt(objectName: string): number {
  return Number(/\/attempts\/(\d+)\//.exec(objectName)?.[1] ?? Infinity);
}

/** Keys that a manifest, the head, the result or a pin names. */
function namedFiles(
  store: Bucket['store'],
  { head, checkpoints, pins, resultKey, stage: { run, stage } }: StageSnapshot,
): ReadonlySet<string> {
  return new Set([
    ...checkpoints.map(({ file }) => file.key),
    ...(head?.checkpoint ? [head.checkpoint.file.key] : []),
    ...(resultKey === undefined ? [] : [resultKey]),
    ...pins.map(({ token, name }) => store.keyOf(`${keys.attempt(run, stage, token)}/${name}`)),
  ]);
}

/** Final weights often are the file of the numbered checkpoint before them. */
function isNeeded(
  { head, checkpoints, resultKey }: StageSnapshot,
  { file }: Checkpoint,
  gone: readonly Checkpoint[],
): boolean {
  const goneIds = new Set(gone.map(idOf));
  const isNamed = [head?.checkpoint?.file.key, resultKey].includes(file.key);
  return isNamed || checkpoints.some((other) => other.file.key === file.key && !goneIds.has(idOf(other)));
}

/** False when someone has pinned it since: then its manifest is put back. */
async function removeCheckpoint(
  bucket: Bucket,
  checkpoint: Checkpoint,
  fileIsNeeded: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { store, objects } = bucket;
  const manifest = manifestName(checkpoint);
  await objects.remove(manifest, signal);
  if (await isPinned(bucket, checkpoint, signal)) {
    await store.writeText(manifest, JSON.stringify(checkpoint, undefined, 2), undefined, signal);
    return false;
  }
  const file = nameOfKey(store, checkpoint.file.key);
  if (!fileIsNeeded && file !== undefined) await objects.remove(file, signal);
  return true;
}

async function isPinned({ objects }: Bucket, checkpoint: Checkpoint, signal: AbortSignal): Promise<boolean> {
  const { run, stage } = checkpoint;
  const pins = await objects.listAll(keys.pins(run, stage), signal);
  return pins.some(({ name }) => {
    const pin = pinOf(checkpoint, name);
    return pin !== undefined && idOf(pin) === idOf(checkpoint);
  });
}
