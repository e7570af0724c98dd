/**
 * @module A new file whose blocks go to the disk past the kernel's cache, where the file system lets them.
 *
 * Through the cache, every byte is copied once more, into pages that must be found first (measured: a tenth more time
 * for a whole conversion where little else runs, half to two thirds of a restore's).
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** What lengths and offsets of such writes must be a multiple of, on all file systems that we know. */
const PAGE_BYTES = 4096;

export interface DirectFile {
  /** Several may be under way at once. Past the cache go whole pages from an `alignedBuffer`, all else through it. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  /** Resolves when the disk has everything that was written. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** @throws when a file has the path already. */
export async function createDirectFile(path: string, sizeBytes: number): Promise<DirectFile> {
  const file = await open(path, 'wx');
  // Where it cannot be had, the cache does as well.
  const direct = await open(path, constants.O_WRONLY | constants.O_DIRECT).catch(() => undefined);
  const close = async () => {
    await Promise.all([file.close(), direct?.close()]);
  };
  try {
    // Writes beyond a file's end would wait for one another.
    await file.truncate(sizeBytes);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async write(bytes, offset) {
      const isWhole = bytes.length % PAGE_BYTES === 0 && offset % PAGE_BYTES === 0;
      if (direct !== undefined && isWhole && (await writeIfAligned(direct, bytes, offset))) return;
      await writeFully(file, bytes, offset);
    },
    sync: () => file.sync(),
    close,
  };
}

/** Begins with a page of memory, which buffers otherwise do not: what can be resized is mapped apart from the heap. */
export function alignedBuffer(sizeBytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(sizeBytes, { maxByteLength: sizeBytes }));
}

/** False when the file system wants other addresses, lengths or offsets than these. */
async function writeIfAligned(file: FileHandle, bytes: Uint8Array, offset: number): Promise<boolean> {
  try {
    await writeFully(file, bytes, offset);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EINVAL') return false;
    throw error;
  }
}

async function writeFully(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let written = 0;
  while (written < bytes.length)
    written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
}
