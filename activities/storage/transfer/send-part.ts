/** @module Bytes in memory on their way to S3, under a checksum that S3 compares, as fast as they may go. */
import { Readable } from 'node:stream';
import {
  PutObjectCommand,
  UploadPartCommand,
  type PutObjectCommandInput,
  type S3Client,
  type S3ClientConfig,
  type UploadPartCommandInput,
} from '@aws-sdk/client-s3';
import { crc32Base64 } from './crc32.ts';
import { SLICE_BYTES, type Pace } from './upload-pace.ts';
import type { Attempt } from './with-retry.ts';

type Logger = NonNullable<S3ClientConfig['logger']>;

/** What goes at once without a limit. */
const FREE_SLICE_BYTES = 1 << 20;

export interface Bytes {
  readonly bytes: Uint8Array;
  readonly crc32: number;
}

/** @returns Its ETag. */
export async function putPart(
  client: S3Client,
  part: Pick<UploadPartCommandInput, 'Bucket' | 'Key' | 'UploadId' | 'PartNumber'>,
  what: Bytes,
  pace: Pace,
  attempt: Attempt,
): Promise<string> {
  const body = bodyOf(what.bytes, pace, attempt);
  const command = new UploadPartCommand({ ...part, ...headersOf(what), Body: body });
  command.middlewareStack.add(unsigned, UNSIGNED);
  try {
    const { ETag } = await client.send(command, { abortSignal: attempt.signal });
    if (ETag === undefined) throw new Error('S3 answered without an ETag of the part');
    return ETag;
  } finally {
    body.destroy();
  }
}

/** A whole object at once. */
export async function putObject(
  client: S3Client,
  object: Pick<PutObjectCommandInput, 'Bucket' | 'Key'>,
  what: Bytes,
  pace: Pace,
  attempt: Attempt,
): Promise<void> {
  const body = bodyOf(what.bytes, pace, attempt);
  const command = new PutObjectCommand({ ...object, ...headersOf(what), Body: body });
  command.middlewareStack.add(unsigned, UNSIGNED);
  try {
    await client.send(command, { abortSignal: attempt.signal });
  } finally {
    body.destroy();
  }
}

function headersOf({ bytes, crc32 }: Bytes): { ContentLength: number; ChecksumCRC32: string } {
  return { ContentLength: bytes.length, ChecksumCRC32: crc32Base64(crc32) };
}

function bodyOf(bytes: Uint8Array, pace: Pace, { signal, touch }: Attempt): Readable {
  const slices = async function* () {
    for (let offset = 0; offset < bytes.length;) {
      touch();
      const size = Math.min(pace.isLimited ? SLICE_BYTES : FREE_SLICE_BYTES, bytes.length - offset);
      if (size <= SLICE_BYTES) await pace.take(size, signal);
      yield bytes.subarray(offset, offset + size);
      offset += size;
    }
    touch();
  };
  const body = Readable.from(slices());
  // An abort ends the request as well, which says so; here it would be no one's.
  body.on('error', () => undefined);
  return body;
}

/**
 * The signature covers the CRC32 of the bytes, which S3 compares, instead of their SHA-256: that is twice the work, and
 * over TLS it adds nothing.
 */
const UNSIGNED = { step: 'build', name: 'gleeUnsignedPayload' } as const;
const ignore = () => undefined;
const SILENT: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function unsigned<Args extends { request: unknown }, Output>(
  next: (args: Args) => Promise<Output>,
  context: { logger?: Logger },
): (args: Args) => Promise<Output> {
  return (args) => {
    // The SDK writes on stderr that it makes no request with a stream again. `steadily` does.
    context.logger = SILENT;
    const { request } = args;
    if (typeof request === 'object' && request !== null && 'headers' in request) {
      Object.assign(request.headers ?? {}, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' });
    }
    return next(args);
  };
}
