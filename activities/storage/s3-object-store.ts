/**
 * @module The object store on S3 (or versitygw, or another server that honours conditional writes).
 */
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { httpStatus } from '../../planning/environment/s3-client.ts';
import { textOf } from './bodies.ts';
import { UnreadableObject } from '../files/bounded-json.ts';
import type { Condition, ObjectStore, Version } from './ports/object-store.ts';
import { explain } from './s3-errors.ts';
import { createS3MultipartUploads } from './s3-multipart-uploads.ts';
import { downloadFile } from './transfer/download-file.ts';
import type { DownloadSource } from './transfer/transfer-ends.ts';
import { DEFAULT_RETRY_POLICY, withShortRetry, type RetryPolicy } from './transfer/with-retry.ts';
import { uploadFile } from './transfer/upload-file.ts';

/** A sweep's results of five thousand trials have some megabytes; all else is far smaller. */
const LARGEST_TEXT_BYTES = 16 << 20;

export function createS3ObjectStore(
  client: S3Client,
  bucket: string,
  prefix: string,
  retryPolicy: RetryPolicy = DEFAULT_RETRY_POLICY,
): ObjectStore {
  const keyOf = (name: string) => `${prefix}${name}`;
  const object = (key: string) => ({ client, bucket, key, retryPolicy });
  const uploads = createS3MultipartUploads(client, bucket, '', retryPolicy);
  return {
    bucket,
    keyOf,
    readText: (name, signal) => readText(object(keyOf(name)), signal),
    writeText: (name, text, condition, signal) => writeText(object(keyOf(name)), text, condition, signal),

    async upload(name, path, signal, options) {
      const key = keyOf(name);
      try {
        return await uploadFile({ ...object(key), uploads }, path, signal, options);
      } catch (error) {
        throw explain('upload', error, bucket, key);
      }
    },

    async download({ fullKey, ...file }, path, signal, options) {
      try {
        await downloadFile(object(fullKey), file, path, signal, options);
      } catch (error) {
        throw explain('download', error, bucket, fullKey);
      }
    },
  };
}

async function readText(
  { client, bucket, key, retryPolicy }: DownloadSource,
  signal: AbortSignal | undefined,
): Promise<{ readonly text: string; readonly version: Version } | undefined> {
  try {
    const get = new GetObjectCommand({ Bucket: bucket, Key: key });
    const { text, version } = await withShortRetry(client, retryPolicy, signal, async (abortSignal) => {
      const found = await client.send(get, { abortSignal });
      const most = (found.ContentLength ?? 0) > LARGEST_TEXT_BYTES ? 0 : LARGEST_TEXT_BYTES;
      return { text: await textOf(found.Body, most, abortSignal), version: found.ETag ?? '' };
    });
    if (text !== undefined) return { text, version };
    throw new UnreadableObject(
      `it has more than ${LARGEST_TEXT_BYTES} bytes, which this pipeline never writes: find out who did, and move it away`,
    );
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
    throw explain('read', error, bucket, key);
  }
}

async function writeText(
  { client, bucket, key, retryPolicy }: DownloadSource,
  text: string,
  condition: Condition | undefined,
  signal: AbortSignal | undefined,
): Promise<'written' | 'conflict'> {
  if (Buffer.byteLength(text) > LARGEST_TEXT_BYTES) {
    const tooLarge = new UnreadableObject(`it would have more than ${LARGEST_TEXT_BYTES} bytes`);
    throw explain('write', tooLarge, bucket, key);
  }
  const put = new PutObjectCommand({
    Bucket: bucket,
    Key: key,
    Body: text,
    ContentType: 'application/json',
    ...asHeaders(condition),
  });
  try {
    await withShortRetry(client, retryPolicy, signal, (abortSignal) => client.send(put, { abortSignal }));
    return 'written';
  } catch (error) {
    // 409: another conditional write to the same key is under way (S3's own answer to a race).
    if (httpStatus(error) === 412 || httpStatus(error) === 409) return 'conflict';
    throw explain('write', error, bucket, key);
  }
}

function asHeaders(condition: Condition | undefined): { IfMatch?: string; IfNoneMatch?: string } {
  if (condition === undefined) return {};
  return 'ifMatch' in condition ? { IfMatch: condition.ifMatch } : { IfNoneMatch: condition.ifNoneMatch };
}
