/**
 * @module Writes a planned torch file to the disk: whole under its name, or not at all.
 */
import { writeSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { publish, temporaryName } from '../../storage/files.ts';
import { BLOCK_BYTES, readBlocks } from './blocks.ts';
import type { TorchFile } from './torch-file.ts';

/** The kernel takes larger ones at half the speed: it looks for large pages first (measured, Linux 6.18 on ext4). */
const WRITE_BYTES = 128 << 10;
/** So much is left for the disk to begin with, while the rest is copied: the last fsync then has little to do. */
const FLUSH_BYTES = 128 << 20;

/**
 * Reads run ahead on other threads; writes go from this one to the kernel's cache, a block of a mebibyte at a time, since
 * to hand each to another thread costs more than it takes. Nothing is left behind on an error or an abort.
 * @throws TorchFileError before the file has its name when a source is damaged; the signal's reason.
 */
export async function writeTorchFile(
  file: TorchFile,
  path: string,
  signal: AbortSignal,
  onProgress: (doneBytes: number) => void = () => undefined,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const target = await open(temporary, 'wx');
    try {
      await writeBlocks(file, target, signal, onProgress);
      await target.sync();
    } finally {
      await target.close();
    }
    signal.throwIfAborted();
    await publish(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeBlocks(
  file: TorchFile,
  target: FileHandle,
  signal: AbortSignal,
  onProgress: (doneBytes: number) => void,
): Promise<void> {
  const free: Buffer[] = [];
  const takeBuffer = () => free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let flushing = Promise.resolve();
  let flushedBytes = 0;
  try {
    for await (const { offset, bytes } of readBlocks(file, signal, takeBuffer)) {
      writeFully(target.fd, bytes, offset);
      free.push(Buffer.from(bytes.buffer));
      const doneBytes = offset + bytes.length;
      onProgress(doneBytes);
      if (doneBytes - flushedBytes < FLUSH_BYTES) continue;
      await flushing;
      flushedBytes = doneBytes;
      flushing = target.datasync();
      // What it says counts when it is waited for.
      flushing.catch(() => undefined);
    }
  } finally {
    await flushing;
  }
}

function writeFully(descriptor: number, bytes: Buffer, offset: number): void {
  let written = 0;
  while (written < bytes.length) {
    const length = Math.min(WRITE_BYTES, bytes.length - written);
    written += writeSync(descriptor, bytes, written, length, offset + written);
  }
}
