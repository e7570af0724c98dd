/** @module What S3 says that it has of a file, against the file itself. */
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { httpStatus, storageRefusal } from '../../../planning/environment/s3-client.ts';
import { WrongContent } from '../ports/object-store.ts';
import { crc32Base64 } from './crc32.ts';
import type { Sent, UploadTarget } from './transfer-ends.ts';
import { PartReader } from './part-reader.ts';
import { crc32OfPieces, partBytesFor } from './cut-pieces.ts';
import { withRetry } from './with-retry.ts';
import type { PartsInput } from './upload-in-parts.ts';

interface Stored {
  readonly sizeBytes: number | undefined;
  /** Base64, of the whole file; undefined where S3 makes none. */
  readonly crc32: string | undefined;
}

/**
 * The file as S3 has it already: a worker that died before it could write the manifest had stored it, or the manifest
 * did not come through. Reading it costs little beside sending it again.
 */
export async function findStored(
  target: UploadTarget,
  { file, fileBytes, mustBeSame, signal }: PartsInput,
): Promise<Sent | undefined> {
  const stored = await headOf(target, signal).catch((error: unknown) => {
    // An answer to HEAD does not say why: the upload will.
    if (storageRefusal(error) !== undefined) return undefined;
    throw error;
  });
  if (stored?.sizeBytes !== fileBytes || stored.crc32 === undefined) return undefined;
  const read = await readThrough(file.fd, fileBytes, signal);
  await mustBeSame(read.sizeBytes);
  return crc32Base64(read.crc32) === stored.crc32 ? read : undefined;
}

/** @throws WrongContent when what S3 says that it has is not what was read. */
export async function mustBeStored(target: UploadTarget, sent: Sent, signal: AbortSignal): Promise<void> {
  const stored = await headOf(target, signal);
  if (stored?.sizeBytes !== sent.sizeBytes) {
    throw new WrongContent(`S3 has ${stored?.sizeBytes ?? 'none'} bytes of ${sent.sizeBytes}`);
  }
  if (stored.crc32 === undefined || stored.crc32 === crc32Base64(sent.crc32)) return;
  throw new WrongContent(`S3 has a file with CRC32 ${stored.crc32}, sent was ${crc32Base64(sent.crc32)}`);
}

/** Undefined where there is no such object. */
async function headOf(
  { client, bucket, key, retryPolicy }: UploadTarget,
  signal: AbortSignal,
): Promise<Stored | undefined> {
  const head = new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' });
  try {
    const { ContentLength, ChecksumCRC32 } = await withRetry(client, retryPolicy, signal, (attempt) =>
      client.send(head, { abortSignal: attempt.signal }),
    );
    // A composite checksum, of the parts' checksums, ends in their number: that S3 makes none of the whole.
    return { sizeBytes: ContentLength, crc32: ChecksumCRC32?.includes('-') ? undefined : ChecksumCRC32 };
  } catch (error) {
    if (httpStatus(error) === 404) return undefined;
    throw error;
  }
}

async function readThrough(fd: number, fileBytes: number, signal: AbortSignal): Promise<Sent> {
  const reader = new PartReader(fd);
  const buffer = new SharedArrayBuffer(partBytesFor(fileBytes));
  const parts: { readonly sizeBytes: number; readonly crc32: number }[] = [];
  try {
    for (;;) {
      signal.throwIfAborted();
      const { sha256, ...part } = await reader.read(buffer);
      parts.push(part);
      if (sha256 === undefined) continue;
      const sizeBytes = parts.reduce((sum, one) => sum + one.sizeBytes, 0);
      return { sizeBytes, sha256, crc32: crc32OfPieces(parts) };
    }
  } finally {
    await reader.stop();
  }
}
