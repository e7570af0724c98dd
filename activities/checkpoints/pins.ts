/**
 * @module Marks of those who want a checkpoint kept: people, and runs that begin from it.
 *
 * The mark comes first, then the look: whoever removes a checkpoint does it the other way round (prune.ts), so that one
 * of the two always sees the other.
 */
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import type { Bucket } from '../storage/bucket.ts';
import { nameOfKey } from '../storage/ports/object-store.ts';
import { manifestName, pinName, fileAt } from './snapshot.ts';

/** No run's id: those begin with a letter or a digit. */
export const PEOPLE = '_people';

/**
 * @param by A run's id, PEOPLE, or an evaluation's mark.
 * @param facts Kept in the mark besides.
 * @returns False when the checkpoint has just been removed: then it is not pinned either.
 */
export async function pin(
  bucket: Bucket,
  checkpoint: Pick<Checkpoint, 'run' | 'stage' | 'token' | 'name'>,
  by: string,
  signal: AbortSignal,
  facts: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const { store, objects } = bucket;
  const mark = pinName(checkpoint, { ...checkpoint, by });
  await store.writeText(mark, JSON.stringify({ ...facts, by, at: Date.now() }), undefined, signal);
  if ((await objects.find(manifestName(checkpoint), signal)) !== undefined) return true;
  await objects.remove(mark, signal);
  return false;
}

export async function unpin(
  { objects }: Bucket,
  checkpoint: Pick<Checkpoint, 'run' | 'stage' | 'token' | 'name'>,
  by: string,
  signal: AbortSignal,
): Promise<void> {
  await objects.remove(pinName(checkpoint, { ...checkpoint, by }), signal);
}

/** The checkpoint whose file lies under a key; undefined for any other object. */
export function checkpointAt(
  { store }: Bucket,
  key: string,
): Pick<Checkpoint, 'run' | 'stage' | 'token' | 'name'> | undefined {
  const name = nameOfKey(store, key) ?? '';
  const [, run, stage] = /^runs\/([^/]+)\/([^/]+)\//.exec(name) ?? [];
  const file = fileAt(name);
  if (run === undefined || stage === undefined || file === undefined) return undefined;
  return name === `${keys.attempt(run, stage, file.token)}/${file.name}`
    ? { run, stage, ...file }
    : undefined;
}
