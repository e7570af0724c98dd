/** @module Artifacts that S3 holds already, as their manifests say. */
import type { WeightsFile } from '../../contracts/weights.ts';
import type { StoredFile } from '../../contracts/checkpoints.ts';
import { nameOfKey, type ObjectStore } from '../storage/ports/object-store.ts';
import { readObject } from '../storage/schemas.ts';
import type { StoredObjects } from '../storage/ports/stored-objects.ts';
import { artifactNames, manifestSchema } from './manifest.ts';

/** Undefined when it was not brought or made yet. */
export async function findPrepared(store: ObjectStore, name: string): Promise<WeightsFile | undefined> {
  const manifest = (await readObject(store, artifactNames.manifest(name), manifestSchema))?.value;
  return manifest && { name, bucket: store.bucket, ...manifest.file };
}

/** Whether S3 still has the object that a manifest refers to, with its size. */
export async function isStored(
  { store, objects }: { readonly store: ObjectStore; readonly objects: StoredObjects },
  file: StoredFile,
  signal: AbortSignal,
): Promise<boolean> {
  const name = nameOfKey(store, file.key);
  return name !== undefined && (await objects.find(name, signal))?.sizeBytes === file.sizeBytes;
}
