/** @module All that the pipeline does with one bucket and prefix, put together once for whoever needs it. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { MultipartUploads } from './multipart-uploads.ts';
import type { ObjectStore } from './object-store.ts';
import { createS3MultipartUploads } from './s3-multipart-uploads.ts';
import { createS3ObjectStore } from './s3-object-store.ts';
import { createS3StoredObjects } from './s3-stored-objects.ts';
import type { StoredObjects } from './stored-objects.ts';

export interface Bucket {
  readonly store: ObjectStore;
  readonly objects: StoredObjects;
  readonly uploads: MultipartUploads;
}

export function openBucket(client: S3Client, bucket: string, prefix: string): Bucket {
  return {
    store: createS3ObjectStore(client, bucket, prefix),
    objects: createS3StoredObjects(client, bucket, prefix),
    uploads: createS3MultipartUploads(client, bucket, prefix),
  };
}
