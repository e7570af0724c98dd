/**
 * @module What the commands about prepared artifacts work on: the project's bucket.
 */
import type { MultipartUploads } from '../../activities/storage/multipart-uploads.ts';
import type { ObjectStore } from '../../activities/storage/object-store.ts';
import { createS3MultipartUploads } from '../../activities/storage/s3-multipart-uploads.ts';
import { createS3ObjectStore } from '../../activities/storage/s3-object-store.ts';
import { createS3StoredObjects } from '../../activities/storage/s3-stored-objects.ts';
import { readObject } from '../../activities/storage/schemas.ts';
import type { StoredObjects } from '../../activities/storage/stored-objects.ts';
import { manifestSchema, type ArtifactManifest } from '../../activities/weights/manifest.ts';
import { readDoctorSettings } from '../../configs/env.ts';
import { createS3Client } from '../../configs/s3.ts';
import { interruptible } from './sources.ts';

export interface Bucket {
  readonly store: ObjectStore;
  readonly objects: StoredObjects;
  readonly uploads: MultipartUploads;
}

/** Opens the bucket for the deed, and ends what is left of it after. */
export async function withBucket(
  deed: (bucket: Bucket, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { bucket, prefix } = readDoctorSettings();
  const client = createS3Client();
  try {
    const store = createS3ObjectStore(client, bucket, prefix);
    const objects = createS3StoredObjects(client, bucket, prefix);
    const uploads = createS3MultipartUploads(client, bucket, prefix);
    await interruptible((signal) => deed({ store, objects, uploads }, signal));
  } finally {
    client.destroy();
  }
}

/** The manifests of all artifacts that S3 holds, by name. */
export async function listManifests(
  { store, objects }: Bucket,
  signal: AbortSignal,
): Promise<readonly ArtifactManifest[]> {
  const names = (await objects.list('artifacts/', signal)).filter((name) => name.endsWith('.json'));
  const found = await Promise.all(names.map((name) => readObject(store, name, manifestSchema, signal)));
  return found.flatMap((manifest) => (manifest === undefined ? [] : [manifest.value]));
}
