/**
 * @module Removes what nothing refers to below artifacts/. All is looked at before anything is removed, and each
 * artifact once more when what leads to its objects is gone: who begins in between finds nothing to continue with.
 */
import { artifactNames, type ArtifactManifest } from '../../activities/weights/manifest.ts';
import { artifactWorkflowId } from '../../contracts/ids.ts';
import type { Bucket } from '../../activities/storage/bucket.ts';
import { listManifests } from '../shared/open-bucket.ts';
import { artifactFolders, garbageOf, unusedManifests, type Garbage } from './garbage.ts';
import { readReferences, type References } from './references.ts';

export interface Pruned {
  readonly dryRun: boolean;
  readonly removed: readonly Garbage[];
  readonly sizeBytes: number;
  readonly kept: readonly Kept[];
}

/** Why something that nothing refers to is left alone. */
export interface Kept {
  readonly artifact: string;
  readonly why: string;
}

/** Both throw when Temporal cannot say. */
export interface Temporal {
  readonly isRunning: (workflowId: string) => Promise<boolean>;
  /** Whether weights are prepared for anyone: those that are there already may be about to be used. */
  readonly isPreparing: () => Promise<boolean>;
}

export interface PruneInput {
  readonly dryRun: boolean;
  /** Also whole artifacts that no run names, brought before then. Epoch milliseconds. */
  readonly unusedBeforeMs?: number;
}

export async function pruneBucket(
  bucket: Bucket,
  temporal: Temporal,
  { dryRun, unusedBeforeMs }: PruneInput,
  signal: AbortSignal,
): Promise<Pruned> {
  const references = await readReferences(bucket, signal);
  const manifests = await listManifests(bucket, signal);
  const preparing = unusedBeforeMs !== undefined && (await temporal.isPreparing());
  const unused = preparing ? [] : unusedManifests(manifests, references, unusedBeforeMs ?? 0);
  const used = manifests.filter((manifest) => !unused.includes(manifest));
  const keep = keysToKeep(bucket, used, references);
  const names = new Set([...(await artifactFolders(bucket, signal)), ...unused.map(({ name }) => name)]);

  const kept: Kept[] = preparing
    ? [{ artifact: 'what no run names', why: 'weights are being prepared' }]
    : [];
  const found: (readonly Garbage[])[] = [];
  for (const artifact of names) {
    const garbage = await garbageOf(bucket, artifact, keep, signal);
    const why = garbage.length === 0 ? undefined : await whyKept(temporal, artifact, garbage, references);
    if (why === undefined) found.push(garbage);
    else kept.push({ artifact, why });
  }
  const removed: Garbage[] = [];
  for (const garbage of found) {
    if (dryRun) removed.push(...garbage);
    else removed.push(...(await removeAll(bucket, temporal, garbage, signal)));
  }
  return { dryRun, removed, sizeBytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), kept };
}

function keysToKeep(
  { store }: Bucket,
  manifests: readonly ArtifactManifest[],
  { strings }: References,
): ReadonlySet<string> {
  const own = manifests.flatMap(({ name, file }) => [store.keyOf(artifactNames.manifest(name)), file.key]);
  return new Set([...own, ...strings]);
}

async function whyKept(
  { isRunning }: Temporal,
  artifact: string,
  garbage: readonly Garbage[],
  { runs }: References,
): Promise<string | undefined> {
  if (await isRunning(artifactWorkflowId(artifact))) return 'it is being prepared';
  // A run that continues was told the key of the object that was the artifact's when it began.
  if (!garbage.some(({ what }) => what === 'object')) return undefined;
  for (const { run, strings } of runs) {
    if (strings.has(artifact) && (await isRunning(run))) return `run ${run} may use it`;
  }
  return undefined;
}

/** @param garbage Of one artifact, in the order in which it is removed. */
async function removeAll(
  bucket: Bucket,
  temporal: Temporal,
  garbage: readonly Garbage[],
  signal: AbortSignal,
): Promise<readonly Garbage[]> {
  const { store, objects, uploads } = bucket;
  const ways = garbage.filter(({ what }) => what === 'manifest' || what === 'download record');
  const rest = garbage.filter((one) => !ways.includes(one));
  const texts = await Promise.all(ways.map(({ object }) => store.readText(object, signal)));
  for (const { object } of ways) await objects.remove(object, signal);

  const references = await readReferences(bucket, signal);
  const [{ artifact } = { artifact: '' }] = garbage;
  const wanted = ways.some(({ what }) => what === 'manifest') && references.strings.has(artifact);
  if (wanted || (await whyKept(temporal, artifact, garbage, references)) !== undefined) {
    // Someone has begun meanwhile: all is put back, unless there is something newer already.
    for (const [index, { object }] of ways.entries()) {
      const text = texts[index]?.text;
      if (text !== undefined) await store.writeText(object, text, { ifNoneMatch: '*' }, signal);
    }
    return [];
  }
  const keep = keysToKeep(bucket, await listManifests(bucket, signal), references);
  const removed = rest.filter(({ object }) => !keep.has(store.keyOf(object)));
  for (const { object, uploadId } of removed) {
    if (uploadId === undefined) await objects.remove(object, signal);
    else await uploads.abort({ name: object, uploadId }, signal);
  }
  return [...ways, ...removed];
}
