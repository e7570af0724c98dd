/** @module The parts of one upload: those that S3 lacks are sent, several at a time. */
import type { FileHandle } from 'node:fs/promises';
import { httpStatus, storageRefusal } from '../../../planning/environment/s3-client.ts';
import type { MultipartUpload, StoredPart } from '../ports/multipart-uploads.ts';
import { FileChanged } from '../ports/object-store.ts';
import { crc32Base64 } from './crc32.ts';
import type { Sent, UploadTarget } from './transfer-ends.ts';
import type { Pace } from './upload-pace.ts';
import { PartReader, type ReadPart } from './part-reader.ts';
import { crc32OfPieces, partBytesFor } from './cut-pieces.ts';
import { putPart } from './send-part.ts';
import { withRetry } from './with-retry.ts';

/** What the parts under way may take of memory; two of them must find room in any case. */
const BUFFERS_BYTES = 32 << 20;
/** S3 puts large objects together while the request waits. */
const COMPLETION_STALLS = 10;
const CLEANUP_MS = 10_000;

export interface PartsInput {
  readonly file: FileHandle;
  readonly fileBytes: number;
  /** Throws FileChanged when the file is not what it was, or has not as many bytes as were read. */
  readonly mustBeSame: (readBytes: number) => Promise<void>;
  readonly pace: Pace;
  readonly signal: AbortSignal;
  readonly onProgress: ((bytes: number) => void) | undefined;
}

export async function uploadInParts(target: UploadTarget, input: PartsInput): Promise<Sent> {
  const { client, uploads, retryPolicy } = target;
  const upload = await findOrBegin(target, input.signal);
  try {
    const stored = await withRetry(client, retryPolicy, input.signal, ({ signal }) =>
      uploads.listParts(upload, signal),
    );
    const { parts, sha256 } = await sendParts(target, upload, stored ?? [], input);
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    await input.mustBeSame(sizeBytes);
    const sent = { sizeBytes, sha256, crc32: crc32OfPieces(parts) };
    await complete(target, upload, parts, sent, input.signal);
    return sent;
  } catch (error) {
    // Who was told to stop may be a worker that is upgraded: the next one continues.
    if (error instanceof FileChanged || error instanceof RefusedCompletion) {
      await uploads.abort(upload, AbortSignal.timeout(CLEANUP_MS)).catch(() => undefined);
    }
    throw error instanceof RefusedCompletion ? error.cause : error;
  }
}

/** The newest upload of that very object that someone has begun; S3 forgets the older ones. */
async function findOrBegin(
  { client, uploads, key, retryPolicy }: UploadTarget,
  signal: AbortSignal,
): Promise<MultipartUpload> {
  return withRetry(client, retryPolicy, signal, async (attempt) => {
    const [newest, ...older] = await uploads.find(key, attempt.signal);
    for (const upload of older) await uploads.abort(upload, attempt.signal);
    return newest ?? uploads.begin(key, attempt.signal);
  });
}

interface SentPart {
  readonly part: StoredPart;
  readonly sizeBytes: number;
  readonly crc32: number;
}

async function sendParts(
  target: UploadTarget,
  upload: MultipartUpload,
  stored: readonly StoredPart[],
  { file, fileBytes, pace, signal, onProgress }: PartsInput,
): Promise<{ readonly parts: readonly SentPart[]; readonly sha256: string }> {
  const partBytes = partBytesFor(fileBytes);
  const reader = new PartReader(file.fd);
  const failed = new AbortController();
  const any = AbortSignal.any([signal, failed.signal]);
  const parts: SentPart[] = [];
  let [sha256, asked, doneBytes] = ['', 0, 0];

  /** Part after part through one buffer. */
  async function lane(): Promise<void> {
    const buffer = new SharedArrayBuffer(partBytes);
    for (let atEnd = false; !atEnd;) {
      any.throwIfAborted();
      asked += 1;
      const number = asked;
      const read = await reader.read(buffer);
      atEnd = read.sha256 !== undefined;
      sha256 = read.sha256 ?? sha256;
      if (read.sizeBytes === 0) return;
      const part =
        stored.find((candidate) => isSame(candidate, number, read)) ??
        (await sendPart(target, upload, number, new Uint8Array(buffer, 0, read.sizeBytes), read, pace, any));
      parts[number - 1] = { part, sizeBytes: read.sizeBytes, crc32: read.crc32 };
      doneBytes += read.sizeBytes;
      onProgress?.(doneBytes);
    }
  }

  const room = Math.max(2, Math.floor(BUFFERS_BYTES / partBytes));
  const lanes = Array.from({ length: Math.min(room, Math.ceil(fileBytes / partBytes) + 1) }, lane);
  try {
    await Promise.all(lanes);
    return { parts, sha256 };
  } finally {
    failed.abort();
    await reader.stop();
    await Promise.allSettled(lanes);
  }
}

function isSame(part: StoredPart, number: number, { sizeBytes, crc32 }: ReadPart): boolean {
  return part.number === number && part.sizeBytes === sizeBytes && part.crc32 === crc32Base64(crc32);
}

async function sendPart(
  { client, bucket, key, retryPolicy }: UploadTarget,
  { uploadId }: MultipartUpload,
  number: number,
  bytes: Uint8Array,
  { sizeBytes, crc32 }: ReadPart,
  pace: Pace,
  signal: AbortSignal,
): Promise<StoredPart> {
  const which = { Bucket: bucket, Key: key, UploadId: uploadId, PartNumber: number };
  const etag = await withRetry(client, retryPolicy, signal, (attempt) =>
    putPart(client, which, { bytes, crc32 }, pace, attempt),
  );
  return { number, sizeBytes, etag, crc32: crc32Base64(crc32) };
}

/** S3 will never make an object of these parts: the next upload must start again. */
class RefusedCompletion extends Error {}

async function complete(
  { client, uploads, retryPolicy }: UploadTarget,
  upload: MultipartUpload,
  parts: readonly SentPart[],
  { sizeBytes, crc32 }: Sent,
  signal: AbortSignal,
): Promise<void> {
  const patient = { ...retryPolicy, stallMs: retryPolicy.stallMs * COMPLETION_STALLS };
  const whole = { sizeBytes, crc32: crc32Base64(crc32) };
  const stored = parts.map(({ part }) => part);
  try {
    // 'noSuchUpload': an earlier call may have made the object, which is looked at next in any case.
    await withRetry(client, patient, signal, (attempt) =>
      uploads.complete(upload, stored, attempt.signal, whole),
    );
  } catch (cause) {
    const status = httpStatus(cause);
    if (status === undefined || status >= 500 || storageRefusal(cause) !== undefined) throw cause;
    throw new RefusedCompletion('', { cause });
  }
}
