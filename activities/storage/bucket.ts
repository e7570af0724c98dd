/** @module All that the pipeline does with one bucket and prefix, put together once for whoever needs it. */
import type { S3Client } from '@aws-sdk/client-s3';
import { readS3Settings } from '../../planning/environment/s3-settings.ts';
import type { MultipartUploads } from './ports/multipart-uploads.ts';
import type { ObjectStore } from './ports/object-store.ts';
import { createS3MultipartUploads } from './s3-multipart-uploads.ts';
import { createS3ObjectStore } from './s3-object-store.ts';
import { readServerDate } from './s3-server-date.ts';
import { createS3StoredObjects } from './s3-stored-objects.ts';
import type { StoredObjects } from './ports/stored-objects.ts';
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from './transfer/with-retry.ts';

export interface Bucket {
  readonly store: ObjectStore;
  readonly objects: StoredObjects;
  readonly uploads: MultipartUploads;
  /** What S3's clock says, in epoch milliseconds at the precision of a second; undefined where it does not say. */
  readonly serverDate: (signal: AbortSignal) => Promise<number | undefined>;
}

export function openBucket(
  client: S3Client,
  bucket: string,
  prefix: string,
  retryPolicy: RetryPolicy = { ...DEFAULT_RETRY_POLICY, stallMs: readS3Settings().stallMs },
): Bucket {
  return {
    store: createS3ObjectStore(client, bucket, prefix, retryPolicy),
    objects: createS3StoredObjects(client, bucket, prefix, retryPolicy),
    uploads: createS3MultipartUploads(client, bucket, prefix, retryPolicy),
    serverDate: (signal) => readServerDate(client, bucket, signal),
  };
}
