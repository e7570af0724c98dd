/**
 * @module Committing a checkpoint, in an order in which a crash at any line leaves the last good one in place:
 * file, then manifest, then head.
 */
import { basename } from 'node:path';
import type { Checkpoint, StoredFile } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import { sha256OfFile } from '../storage/files.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { stat } from 'node:fs/promises';
import { commitHead, readHeadFor } from './head.ts';

export interface SavedCheckpoint {
  readonly run: string;
  readonly stage: string;
  readonly token: number;
  /** The file that the trainer has finished. */
  readonly path: string;
  readonly iterations: number;
  readonly final: boolean;
}

/** @throws Superseded when a newer attempt has the stage; whatever S3 answers otherwise. */
export async function commitCheckpoint(
  store: ObjectStore,
  saved: SavedCheckpoint,
  signal: AbortSignal,
): Promise<Checkpoint> {
  const { run, stage, token, path, iterations, final } = saved;
  const name = basename(path);
  const { size, mtimeMs } = await stat(path);
  const sha256 = await sha256OfFile(path, signal);
  const prefix = keys.attempt(run, stage, token);
  // Before the upload already: gigabytes for an attempt that was replaced would be in the way of its successor's.
  const current = await readHeadFor(store, saved, token, signal);
  const file = await storeOnce(
    store,
    current?.value.checkpoint?.file,
    { name: `${prefix}/${name}`, path, sha256, size },
    signal,
  );
  const checkpoint: Checkpoint = {
    run,
    stage,
    token,
    name,
    iterations,
    final,
    file,
    savedAt: Math.round(mtimeMs),
  };
  const manifest = JSON.stringify(checkpoint, undefined, 2);
  await store.writeText(`${prefix}/${name}.json`, manifest, undefined, signal);
  await commitHead(store, checkpoint, signal);
  return checkpoint;
}

/** `model_final.pth` often has the bytes of the numbered checkpoint before it: they are stored once. */
async function storeOnce(
  store: ObjectStore,
  newest: StoredFile | undefined,
  file: { readonly name: string; readonly path: string; readonly sha256: string; readonly size: number },
  signal: AbortSignal,
): Promise<StoredFile> {
  if (newest?.sha256 === file.sha256) return newest;
  await store.upload(file.name, file.path, signal);
  return { key: store.keyOf(file.name), sha256: file.sha256, sizeBytes: file.size };
}
