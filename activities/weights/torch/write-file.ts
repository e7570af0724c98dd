/**
 * @module Writes a planned torch file to the disk: whole under its name, or not at all.
 */
import { open, rm, type FileHandle } from 'node:fs/promises';
import { publish, temporaryName } from '../../storage/files.ts';
import { BLOCK_BYTES, readBlocks } from './blocks.ts';
import type { TorchFile } from './torch-file.ts';

const WRITES_AT_ONCE = 3;

/**
 * Buffers go round between reads and writes. Nothing is left behind on an error or an abort.
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
  const writes: Promise<void>[] = [];
  try {
    for await (const { offset, bytes } of readBlocks(file, signal, takeBuffer)) {
      const write = writeFully(target, bytes, offset).then(() => {
        free.push(Buffer.from(bytes.buffer));
        onProgress(offset + bytes.length);
      });
      // Its failure is told when its turn comes.
      write.catch(() => undefined);
      writes.push(write);
      if (writes.length >= WRITES_AT_ONCE) await writes.shift();
    }
    for (const write of writes) await write;
  } finally {
    await Promise.allSettled(writes);
  }
}

async function writeFully(target: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await target.write(bytes, written, bytes.length - written, offset + written);
    written += bytesWritten;
  }
}
