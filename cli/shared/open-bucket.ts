/**
 * @module What the commands about prepared artifacts work on: the project's bucket.
 */
import { openBucket, type Bucket } from '../../activities/storage/bucket.ts';
import { readObject } from '../../activities/storage/schemas.ts';
import { manifestSchema, type ArtifactManifest } from '../../activities/weights/manifest.ts';
import { readDoctorSettings } from '../../planning/environment/env.ts';
import { createS3Client } from '../../planning/environment/s3-client.ts';
import { interruptible } from './artifact-sources.ts';

/** Opens the bucket for the work, and ends what is left of it after. */
export async function withBucket(
  work: (bucket: Bucket, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { bucket, prefix } = readDoctorSettings();
  const client = createS3Client();
  try {
    await interruptible((signal) => work(openBucket(client, bucket, prefix), signal));
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
