/**
 * @module Artifacts that runs have left in S3.
 */
import { keys } from '../../contracts/ids.ts';
import type { Artifact } from '../../contracts/plan.ts';
import type { ObjectStore } from './ports/object-store.ts';
import { readObject, stageResultSchema } from './schemas.ts';

/** Final weights of a stage, or undefined when that run has not finished it. */
export async function findArtifact(
  store: ObjectStore,
  run: string,
  stage: string,
): Promise<Artifact | undefined> {
  return (await readObject(store, keys.result(run, stage), stageResultSchema))?.value.artifact;
}
