/** @module What another run has left for a stage to begin from: final weights, or any of its checkpoints. */
import type { Artifact, Plan } from '../../contracts/plan.ts';
import { describeRef } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import { fail } from '../fail.ts';
import { findArtifact } from '../storage/artifacts.ts';
import type { Bucket } from '../storage/bucket.ts';
import { planSchema, readObject } from '../storage/schemas.ts';
import { findCheckpoint } from './find.ts';
import { checkpointAt, pin } from './pins.ts';

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
    // One that was pushed by hand has no plan: nobody knows what it was trained with.
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
    const start = checkpointAt(bucket, weights.artifact.key);
    if (start === undefined || (await pin(bucket, start, run, signal))) continue;
    throw fail(
      'MissingFile',
      `${weights.artifact.name} has just been removed from S3: name another checkpoint`,
    );
  }
}
