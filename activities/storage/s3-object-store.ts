/**
 * @module The object store on S3 (or versitygw, or another server that honours conditional writes).
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { httpStatus } from '../../configs/s3.ts';
import { publish, temporaryName, toBytes } from './files.ts';
import { WrongContent, type Condition, type ObjectStore } from './object-store.ts';
import { explain } from './s3-errors.ts';

/** Parts of a multipart upload; S3 allows 10,000 of them, so files may reach 160 GB. */
const PART_SIZE_BYTES = 16 << 20;
const PARTS_IN_FLIGHT = 4;

export function createS3ObjectStore(client: S3Client, bucket: string, prefix: string): ObjectStore {
  const keyOf = (name: string) => `${prefix}${name}`;
  return {
    bucket,
    keyOf,

    async readText(name, signal) {
      try {
        const get = new GetObjectCommand({ Bucket: bucket, Key: keyOf(name) });
        const found = await client.send(get, { ...(signal && { abortSignal: signal }) });
        return { text: (await found.Body?.transformToString()) ?? '', version: found.ETag ?? '' };
      } catch (error) {
        if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
        throw explain('read', error, bucket, keyOf(name));
      }
    },

    async writeText(name, text, condition, signal) {
      const put = new PutObjectCommand({
        Bucket: bucket,
        Key: keyOf(name),
        Body: text,
        ContentType: 'application/json',
        ...asHeaders(condition),
      });
      try {
        await client.send(put, { ...(signal && { abortSignal: signal }) });
        return 'written';
      } catch (error) {
        // 409: another conditional write to the same key is under way (S3's own answer to a race).
        if (httpStatus(error) === 412 || httpStatus(error) === 409) return 'conflict';
        throw explain('write', error, bucket, keyOf(name));
      }
    },

    async upload(name, path, signal) {
      const { size } = await stat(path);
      try {
        await uploadFile(client, { bucket, key: keyOf(name), path, signal });
        const stored = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: keyOf(name) }), {
          abortSignal: signal,
        });
        if (stored.ContentLength === size) return { sizeBytes: size, ...(await sumsOf(path, signal)) };
        throw new WrongContent(`S3 has ${String(stored.ContentLength)} bytes of ${String(size)}`);
      } catch (error) {
        throw explain('upload', error, bucket, keyOf(name));
      }
    },

    async download({ fullKey, sizeBytes, sha256 }, path, signal) {
      const temporary = temporaryName(path);
      await mkdir(dirname(path), { recursive: true });
      try {
        const found = await client.send(new GetObjectCommand({ Bucket: bucket, Key: fullKey }), {
          abortSignal: signal,
        });
        if (!(found.Body instanceof Readable)) throw new Error('S3 answered without a body');
        const received = await saveHashed(found.Body, temporary, signal);
        if (received.sizeBytes !== sizeBytes || received.sha256 !== sha256) {
          throw new WrongContent(
            `expected ${String(sizeBytes)} bytes with sha256 ${sha256}, got ${String(received.sizeBytes)} with ${received.sha256}`,
          );
        }
        await publish(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw explain('download', error, bucket, fullKey);
      }
    },
  };
}

async function uploadFile(
  client: S3Client,
  { bucket, key, path, signal }: { bucket: string; key: string; path: string; signal: AbortSignal },
): Promise<void> {
  const body = createReadStream(path, { highWaterMark: 1 << 20 });
  const upload = new Upload({
    client,
    params: { Bucket: bucket, Key: key, Body: body, ChecksumAlgorithm: 'CRC32' },
    partSize: PART_SIZE_BYTES,
    queueSize: PARTS_IN_FLIGHT,
  });
  const abort = () => void upload.abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    await upload.done();
  } finally {
    signal.removeEventListener('abort', abort);
    body.destroy();
  }
}

async function sumsOf(path: string, signal: AbortSignal): Promise<{ sha256: string; crc32: string }> {
  let sum = 0;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal })) {
    const bytes = toBytes(chunk);
    hash.update(bytes);
    sum = crc32(bytes, sum);
  }
  return { sha256: hash.digest('hex'), crc32: sum.toString(16).padStart(8, '0') };
}

/** Writes a stream to a file, hashing on the way, and returns once it is on the disk. */
async function saveHashed(
  body: Readable,
  path: string,
  signal: AbortSignal,
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const hashing = async function* (chunks: AsyncIterable<unknown>) {
    for await (const chunk of chunks) {
      const bytes = toBytes(chunk);
      hash.update(bytes);
      sizeBytes += bytes.length;
      yield bytes;
    }
  };
  await pipeline(body, hashing, createWriteStream(path), { signal });
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

function asHeaders(condition: Condition | undefined): { IfMatch?: string; IfNoneMatch?: string } {
  if (condition === undefined) return {};
  return 'ifMatch' in condition ? { IfMatch: condition.ifMatch } : { IfNoneMatch: condition.ifNoneMatch };
}
