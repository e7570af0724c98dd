/** @module What another run has left for a stage to begin from: final weights, or any of its checkpoints. */
import type { FindArtifact } from '../../planning/resolve-weights.ts';
import type { Artifact, Plan } from '../../contracts/plan.ts';
import { describeRef } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import { fail } from '../support/failures.ts';
import { findArtifact } from '../storage/artifacts.ts';
import type { Bucket } from '../storage/bucket.ts';
import { planSchema, readObject } from '../storage/schemas.ts';
import { findCheckpoint } from './find.ts';
import { checkpointAt, pin } from './pins.ts';

/** What resolving a config asks of S3. */
export function finder(bucket: Bucket, signal: AbortSignal): FindArtifact {
  return (run, stage, iterations) =>
    findStart(bucket, { run, stage, ...(iterations !== undefined && { iterations }) }, signal);
}

/** @param iterations Of the checkpoint; the final weights without them. Undefined where there are none. */
export async function findStart(
  bucket: Bucket,
  { run, stage, iterations }: { readonly run: string; readonly stage: string; readonly iterations?: number },
  signal: AbortSignal,
): Promise<Artifact | undefined> {
  if (iterations === undefined) return findArtifact(bucket.store, run, stage);
  const ref = { run, stage, which: iterations };
  const checkpoint = await findCheckpoint(bucket, ref, signal);
  if (checkpoint === undefined) return undefined;
  const plan = await readObject(bucket.store, keys.plan(run), planSchema, signal).catch(() => undefined);
  const { key, sha256, sizeBytes } = checkpoint.file;
  return {
    name: describeRef(ref),
    bucket: bucket.store.bucket,
    ...{ key, sha256, sizeBytes, iterations },
    // One that was pushed by hand has no plan: no one knows what it was trained with.
    configFile: plan?.value.stages.find((one) => one.stage === stage)?.configFile ?? '',
  };
}

/**
 * Keeps the checkpoints of other runs that a plan begins from, for as long as the plan is there.
 * @throws MissingFile when one has been removed since the plan was resolved.
 */
export async function pinStarts(bucket: Bucket, { run, stages }: Plan, signal: AbortSignal): Promise<void> {
  for (const { weights } of stages) {
    if (weights.kind !== 'artifact' || !weights.artifact.name.includes('@')) continue;
    await pinStart(bucket, weights.artifact, run, signal);
  }
}

/**
 * Keeps one, for a run that begins from it; what is no checkpoint of ours is not ours to keep.
 * @throws MissingFile when it has been removed since it was named.
 */
export async function pinStart(
  bucket: Bucket,
  { name, key }: Pick<Artifact, 'name' | 'key'>,
  run: string,
  signal: AbortSignal,
): Promise<void> {
  const start = checkpointAt(bucket, key);
  if (start === undefined || (await pin(bucket, start, run, signal))) return;
  throw fail('MissingFile', `${name} has just been removed from S3: name another checkpoint`);
}
