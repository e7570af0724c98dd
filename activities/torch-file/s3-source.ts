/**
 * @module An object in S3 as a source of bytes: ranged reads of the one version that was there when it was opened.
 */
import { GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Readable } from 'node:stream';
import { httpStatus } from '../../planning/environment/s3-client.ts';
import { toBytes } from '../files/atomic-files.ts';
import { endsEarly, type ByteSource } from './byte-source.ts';
import { TorchFileError } from './torch-file-error.ts';

/** The SDK repeats requests, but not answers that break off: those are taken up where they stopped. */
const ATTEMPTS = 3;

interface S3Object {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
}

/** @throws what S3 says, with bucket and key; the client stays the caller's to destroy. */
export async function openS3Source(object: S3Object, signal: AbortSignal): Promise<ByteSource> {
  const { client, bucket, key } = object;
  const name = `s3://${bucket}/${key}`;
  const head = new HeadObjectCommand({ Bucket: bucket, Key: key });
  const { ContentLength: sizeBytes = 0, ETag: version } = await client
    .send(head, { abortSignal: signal })
    .catch((error: unknown) => Promise.reject(explain(name, error)));
  return {
    name,
    sizeBytes,
    async readInto(target, offset, readSignal) {
      if (offset + target.length > sizeBytes) throw endsEarly(name, sizeBytes, offset + target.length);
      let filled = 0;
      for (let attempt = 1; filled < target.length; attempt += 1) {
        const rest = target.subarray(filled);
        const { received, error } = await readRange(object, version, rest, offset + filled, readSignal);
        readSignal.throwIfAborted();
        filled += received;
        if (filled < target.length && (attempt === ATTEMPTS || !isBreak(error))) throw explain(name, error);
      }
    },
    close: () => Promise.resolve(),
  };
}

/** What came of the range, and why no more. */
async function readRange(
  { client, bucket, key }: S3Object,
  version: string | undefined,
  target: Uint8Array,
  offset: number,
  signal: AbortSignal,
): Promise<{ readonly received: number; readonly error?: unknown }> {
  const Range = `bytes=${offset}-${offset + target.length - 1}`;
  const get = new GetObjectCommand({ Bucket: bucket, Key: key, Range, IfMatch: version });
  let received = 0;
  try {
    const { Body: body } = await client.send(get, { abortSignal: signal });
    if (!(body instanceof Readable)) throw new Error('S3 answered without a body');
    for await (const chunk of body) {
      const bytes = toBytes(chunk);
      if (received + bytes.length > target.length)
        throw new Error('S3 answered with more than was asked for');
      target.set(bytes, received);
      received += bytes.length;
    }
    return { received, error: new Error('the answer broke off') };
  } catch (error) {
    return { received, error };
  }
}

/** An answer of S3's is final here, as the SDK has repeated it; a broken connection has no HTTP status. */
function isBreak(error: unknown): boolean {
  return httpStatus(error) === undefined;
}

function explain(name: string, error: unknown): Error {
  if (!(error instanceof Error)) return new Error(`S3 read failed [${name}]`, { cause: error });
  if (error.name === 'AbortError') return error;
  if (httpStatus(error) === 404) return new TorchFileError(`there is no ${name}`);
  if (httpStatus(error) === 412) return new TorchFileError(`${name} was replaced while it was read`);
  error.message = `S3 read failed [${name}]: ${error.message}`;
  return error;
}
