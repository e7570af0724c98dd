/**
 * @module Bytes that can be read from anywhere in them: what a checkpoint is read from, be it on a disk or in S3.
 */
import { open } from 'node:fs/promises';
import { TorchFileError } from './torch-file-error.ts';

export interface ByteSource {
  /** As messages call it: a path, or s3://bucket/key. */
  readonly name: string;
  readonly sizeBytes: number;
  /**
   * Fills the whole target with the bytes that begin at the offset. Several reads may be under way at once.
   * @throws TorchFileError when the bytes end before that; the signal's reason; what the disk or S3 says.
   */
  readInto(target: Uint8Array, offset: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A new buffer with so many bytes. */
export async function readBytes(
  source: ByteSource,
  offset: number,
  length: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  await source.readInto(bytes, offset, signal);
  return bytes;
}

/** A file, held open until `close`: one that is replaced meanwhile is read on as it was. */
export async function openFileSource(path: string): Promise<ByteSource> {
  const file = await open(path, 'r');
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new TorchFileError(`${path} is not a file`);
    return {
      name: path,
      sizeBytes: found.size,
      async readInto(target, offset, signal) {
        let filled = 0;
        while (filled < target.length) {
          signal.throwIfAborted();
          const { bytesRead } = await file.read(target, filled, target.length - filled, offset + filled);
          if (bytesRead === 0) throw endsEarly(path, offset + filled, offset + target.length);
          filled += bytesRead;
        }
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

export function endsEarly(name: string, end: number, wanted: number): TorchFileError {
  return new TorchFileError(`${name} ends at byte ${end}, where ${wanted} are needed: it is truncated`);
}
