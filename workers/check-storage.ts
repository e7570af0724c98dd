/** @module A worker's bucket, checked when the worker starts: one that ignores conditional writes is not worked with. */
import type { Logger } from 'pino';
import { openBucket, type Bucket } from '../activities/storage/bucket.ts';
import { withCheckedConditions } from '../activities/storage/conditional-writes.ts';
import { ApplicationFailure } from '@temporalio/common';
import type { S3Client } from '@aws-sdk/client-s3';
import type { StorageSettings } from '../planning/environment/env.ts';
import { EnvironmentError } from '../planning/environment/environment-error.ts';
import { messageOf } from '../contracts/error-message.ts';

/** An S3 that is away keeps no worker from starting. */
const LONGEST_MS = 5000;

/** @throws EnvironmentError where the server ignores a condition. */
export async function openCheckedBucket(
  client: S3Client,
  { bucket: name, prefix }: StorageSettings,
  log: Logger,
  signal: AbortSignal,
): Promise<Bucket> {
  const { bucket, check } = withCheckedConditions(openBucket(client, name, prefix));
  try {
    await check(AbortSignal.any([signal, AbortSignal.timeout(LONGEST_MS)]));
  } catch (error) {
    if (error instanceof ApplicationFailure) throw new EnvironmentError(`GLEE_BUCKET: ${error.message}`);
    const why = messageOf(error);
    log.warn({ bucket: name, why }, 'conditional writes are not checked yet: they are before the first one');
  }
  return bucket;
}
