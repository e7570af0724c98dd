/**
 * @module All that S3 has of a stage's checkpoints, seen at one moment: the ground on which others decide what to continue
 * from and what may go.
 */
import { z } from 'zod';
import type { Checkpoint, Head } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import type { Bucket } from '../storage/bucket.ts';
import { checkpointSchema, headSchema, readObject, stageResultSchema } from '../storage/schemas.ts';
import type { StoredObject } from '../storage/ports/stored-objects.ts';

export interface StageKey {
  readonly run: string;
  readonly stage: string;
}

/** Someone wants a checkpoint kept. */
export interface Pin {
  readonly token: number;
  readonly name: string;
  /** Id of the run that begins from it, or `_people`. */
  readonly by: string;
}

export interface StageSnapshot {
  readonly stage: StageKey;
  readonly head: Head | undefined;
  /** Those that have a manifest, oldest first: by iterations, then by token. */
  readonly checkpoints: readonly Checkpoint[];
  readonly pins: readonly Pin[];
  /** S3 key of the final weights that `result.json` names. */
  readonly resultKey: string | undefined;
  /** All objects below the stage. */
  readonly objects: readonly StoredObject[];
}

/** Of a stage in which things continue it may be newer in one part than in another; each part alone is right. */
export async function takeSnapshot(
  bucket: Bucket,
  stage: StageKey,
  signal: AbortSignal,
): Promise<StageSnapshot> {
  const { store, objects } = bucket;
  const { run, stage: name } = stage;
  const [head, result, all] = await Promise.all([
    readObject(store, keys.head(run, name), headSchema, signal),
    readObject(store, keys.result(run, name), stageResultSchema, signal),
    objects.listAll(keys.stage(run, name), signal),
  ]);
  return {
    stage,
    head: head?.value,
    checkpoints: await readManifests(bucket, all, signal),
    pins: all.flatMap((object) => pinOf(stage, object.name) ?? []),
    resultKey: result?.value.artifact.key,
    objects: all,
  };
}

/** `model_0000049.pth`, as detectron2 names checkpoints. */
export const CHECKPOINT_NAME = /^model_(\d{7,}|final)\.pth$/;

/** Token and name of a checkpoint's file by where it lies; undefined for all else that an attempt leaves. */
export function fileAt(objectName: string): { readonly token: number; readonly name: string } | undefined {
  const [, token, name] = /\/attempts\/(\d+)\/([^/]+)$/.exec(objectName) ?? [];
  return name !== undefined && CHECKPOINT_NAME.test(name) ? { token: Number(token), name } : undefined;
}

export function manifestName({
  run,
  stage,
  token,
  name,
}: Pick<Checkpoint, 'run' | 'stage' | 'token' | 'name'>): string {
  return `${keys.attempt(run, stage, token)}/${name}.json`;
}

export function pinName({ run, stage }: StageKey, { token, name, by }: Pin): string {
  return `${keys.pins(run, stage)}${token}/${name}/${by}.json`;
}

export function pinOf({ run, stage }: StageKey, objectName: string): Pin | undefined {
  const folder = keys.pins(run, stage);
  if (!objectName.startsWith(folder)) return undefined;
  const [, token, name, by] = /^(\d+)\/([^/]+)\/([^/]+)\.json$/.exec(objectName.slice(folder.length)) ?? [];
  return name === undefined || by === undefined ? undefined : { token: Number(token), name, by };
}

/** A run of weeks that keeps every checkpoint has thousands of manifests, and S3 answers so many at once with 503. */
const READS_AT_ONCE = 32;

/** A manifest that is damaged, or gone since it was listed, is none: its file is garbage unless someone else names it. */
async function readManifests(
  { store }: Bucket,
  all: readonly StoredObject[],
  signal: AbortSignal,
): Promise<readonly Checkpoint[]> {
  const names = all.flatMap(({ name }) =>
    name.endsWith('.json') && fileAt(name.slice(0, -'.json'.length)) !== undefined ? [name] : [],
  );
  const found: (Checkpoint | undefined)[] = [];
  for (let from = 0; from < names.length; from += READS_AT_ONCE) {
    const some = names.slice(from, from + READS_AT_ONCE);
    found.push(...(await Promise.all(some.map((name) => readManifest(store, name, signal)))));
  }
  return found.flatMap((checkpoint) => checkpoint ?? []).sort(olderFirst);
}

async function readManifest(
  store: Bucket['store'],
  name: string,
  signal: AbortSignal,
): Promise<Checkpoint | undefined> {
  const text = (await store.readText(name, signal))?.text;
  const parsed = checkpointSchema.safeParse(jsonOf(text));
  // One that was copied from elsewhere must not stand for what it does not lie beside.
  return parsed.data !== undefined && manifestName(parsed.data) === name ? parsed.data : undefined;
}

function jsonOf(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : z.json().parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function olderFirst(a: Checkpoint, b: Checkpoint): number {
  return a.iterations - b.iterations || a.token - b.token || Number(a.final) - Number(b.final);
}
