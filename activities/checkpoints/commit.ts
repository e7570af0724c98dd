/**
 * @module Committing a checkpoint, in an order in which a crash at any line leaves the last good one in place:
 * file, then manifest, then head.
 */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Checkpoint, CheckpointTimes, StoredFile } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import { sha256OfFile } from '../files/atomic-files.ts';
import type { ObjectStore, UploadOptions } from '../storage/ports/object-store.ts';
import { checkpointSchema, readObject } from '../storage/schemas.ts';
import { commitHead, readHeadFor } from './head.ts';
import { manifestName } from './snapshot.ts';

export interface SavedCheckpoint {
  readonly run: string;
  readonly stage: string;
  readonly token: number;
  /** The file that the trainer has finished. */
  readonly path: string;
  readonly iterations: number;
  readonly final: boolean;
  /** What the trainer knows of it. */
  readonly times?: CheckpointTimes;
}

/** @throws Superseded when a newer attempt has the stage; whatever S3 answers otherwise. */
export async function commitCheckpoint(
  store: ObjectStore,
  saved: SavedCheckpoint,
  signal: AbortSignal,
  options: UploadOptions = {},
): Promise<Checkpoint> {
  const checkpoint = await archiveCheckpoint(store, saved, signal, options);
  await commitHead(store, checkpoint, signal);
  return checkpoint;
}

/** File and manifest alone: a checkpoint worth keeping, while the head names a newer one. */
export async function archiveCheckpoint(
  store: ObjectStore,
  saved: SavedCheckpoint,
  signal: AbortSignal,
  options: UploadOptions = {},
): Promise<Checkpoint> {
  const { run, stage, token, path, iterations, final } = saved;
  const { mtimeMs } = await stat(path);
  // Before the upload already: gigabytes for an attempt that was replaced would be in the way of its successor's.
  const current = await readHeadFor(store, saved, token, signal);
  const began = performance.now();
  const newest = current?.value.checkpoint ?? undefined;
  const file = await storeOnce(store, newest, saved, signal, options);
  const upload = (performance.now() - began) / 1000;
  const checkpoint: Checkpoint = {
    run,
    stage,
    token,
    name: basename(path),
    iterations,
    final,
    file,
    savedAt: Math.round(mtimeMs),
    // One that a worker before had stored keeps its times; the final one may share a file, not how long it took.
    times: {
      ...saved.times,
      ...(newest?.name === basename(path) && file === newest.file ? newest.times : { upload }),
    },
  };
  await store.writeText(
    manifestName(checkpoint),
    JSON.stringify(checkpoint, undefined, 2),
    undefined,
    signal,
  );
  return checkpoint;
}

/** Adds to a manifest what is known only after its commit; leaves one alone that is gone or changes meanwhile. */
export async function addTimes(
  store: ObjectStore,
  checkpoint: Checkpoint,
  change: (times: CheckpointTimes) => CheckpointTimes,
  signal: AbortSignal,
): Promise<void> {
  const name = manifestName(checkpoint);
  const found = await readObject(store, name, checkpointSchema, signal);
  if (found === undefined) return;
  const changed = { ...found.value, times: change(found.value.times ?? {}) };
  await store.writeText(name, JSON.stringify(changed, undefined, 2), { ifMatch: found.version }, signal);
}

/**
 * `model_final.pth` often has the bytes of the numbered checkpoint before it, and a worker that was killed may have
 * stored the file already: bytes are sent once.
 */
async function storeOnce(
  store: ObjectStore,
  newest: Checkpoint | undefined,
  { run, stage, token, path, final }: SavedCheckpoint,
  signal: AbortSignal,
  options: UploadOptions,
): Promise<StoredFile> {
  const name = basename(path);
  const mayBeSame = final || newest?.name === name;
  if (newest !== undefined && mayBeSame && newest.file.sizeBytes === (await stat(path)).size) {
    if ((await sha256OfFile(path, signal)) === newest.file.sha256) return newest.file;
  }
  const target = `${keys.attempt(run, stage, token)}/${name}`;
  return { key: store.keyOf(target), ...(await store.upload(target, path, signal, options)) };
}
