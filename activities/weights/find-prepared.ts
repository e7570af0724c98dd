/** @module Artifacts that S3 holds already, as their manifests say. */
import type { WeightsFile } from '../../contracts/weights.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { readObject } from '../storage/schemas.ts';
import { artifactNames, manifestSchema } from './manifest.ts';

/** Undefined when it was not brought or made yet. */
export async function findPrepared(store: ObjectStore, name: string): Promise<WeightsFile | undefined> {
  const manifest = (await readObject(store, artifactNames.manifest(name), manifestSchema))?.value;
  return manifest && { name, bucket: store.bucket, ...manifest.file };
}
