/**
 * @module A new file of a known size, whose blocks are written in any order, several at once.
 *
 * Blocks stay in the kernel's page cache, and are not flushed: who restores or converts a file reads it again at once, and
 * S3 or the source has it when the machine loses power. See docs/decisions/0007-transfers.md.
 */
import { open } from 'node:fs/promises';

export interface SizedFile {
  /** Several may be under way at once. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  close(): Promise<void>;
}

/** @throws when a file has the path already. */
export async function createSizedFile(path: string, sizeBytes: number): Promise<SizedFile> {
  const file = await open(path, 'wx');
  try {
    // Writes beyond a file's end would wait for one another.
    await file.truncate(sizeBytes);
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    async write(bytes, offset) {
      for (let written = 0; written < bytes.length;)
        written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
    },
    close: () => file.close(),
  };
}
