/**
 * @module A file into S3, read once: in parts, several under way, and continued from what S3 has of an upload whose worker
 * died, be it all of it. No record of it is kept here; S3 is asked.
 */
import { open, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { FileChanged, type UploadedFile, type UploadOptions } from '../ports/object-store.ts';
import { crc32Hex } from './crc32.ts';
import type { Sent, UploadTarget } from './transfer-ends.ts';
import { Pace } from './upload-pace.ts';
import { partBytesFor } from './cut-pieces.ts';
import { putObject } from './send-part.ts';
import { withRetry } from './with-retry.ts';
import { findStored, mustBeStored } from './stored-file.ts';
import { uploadInParts, type PartsInput } from './upload-in-parts.ts';

/**
 * @throws FileChanged when it is not the same file at the end; WrongContent when S3 has something else: then S3 forgets
 * what it had of it. After any other failure, and an abort, the next upload continues where this one came to.
 */
export async function uploadFile(
  target: UploadTarget,
  path: string,
  signal: AbortSignal,
  { onProgress, bytesPerSecond = () => undefined }: UploadOptions = {},
): Promise<UploadedFile> {
  signal.throwIfAborted();
  const file = await open(path, 'r');
  try {
    const before = await file.stat();
    const pace = new Pace(bytesPerSecond);
    const mustBeSame = (readBytes: number) => mustBeUnchanged(path, before, readBytes);
    const input = { file, fileBytes: before.size, mustBeSame, pace, signal, onProgress };
    const sent =
      before.size < partBytesFor(before.size)
        ? await uploadWhole(target, input)
        : ((await findStored(target, input)) ?? (await uploadInParts(target, input)));
    await mustBeStored(target, sent, signal);
    onProgress?.(sent.sizeBytes);
    return { sizeBytes: sent.sizeBytes, sha256: sent.sha256, crc32: crc32Hex(sent.crc32) };
  } finally {
    await file.close();
  }
}

async function uploadWhole(
  { client, bucket, key, retryPolicy }: UploadTarget,
  { file, mustBeSame, pace, signal }: PartsInput,
): Promise<Sent> {
  const bytes = await file.readFile();
  await mustBeSame(bytes.length);
  const what = { bytes, crc32: crc32(bytes) };
  const object = { Bucket: bucket, Key: key };
  await withRetry(client, retryPolicy, signal, (attempt) => putObject(client, object, what, pace, attempt));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { sizeBytes: bytes.length, sha256, crc32: what.crc32 };
}

async function mustBeUnchanged(path: string, before: Stats, readBytes: number): Promise<void> {
  const now = await stat(path).catch(() => undefined);
  if (now?.size === before.size && now.mtimeMs === before.mtimeMs && now.ino === before.ino) {
    if (readBytes === before.size) return;
  }
  throw new FileChanged(`${path} was changed while it was uploaded`);
}
