/**
 * @module Writes a planned torch file to the disk: whole under its name, or not at all.
 */
import { createSizedFile, type SizedFile } from '../files/sized-file.ts';
import { writeWhole } from '../files/atomic-files.ts';
import { BLOCK_BYTES, readBlocks } from './blocks.ts';
import type { TorchFile } from './torch-file.ts';

/** One of the four threads that node has for files is left to the reads. */
const WRITES_AT_ONCE = 3;

/**
 * Reads run ahead and writes behind on other threads, while this one takes the sums. Nothing is left behind on an error
 * or an abort.
 * @throws TorchFileError before the file has its name when a source is damaged; the signal's reason.
 */
export async function writeTorchFile(
  file: TorchFile,
  path: string,
  signal: AbortSignal,
  onProgress: (doneBytes: number) => void = () => undefined,
): Promise<void> {
  await writeWhole(path, async (temporary) => {
    const target = await createSizedFile(temporary, file.sizeBytes);
    try {
      await writeBlocks(file, target, signal, onProgress);
    } finally {
      await target.close();
    }
    signal.throwIfAborted();
  });
}

async function writeBlocks(
  file: TorchFile,
  target: SizedFile,
  signal: AbortSignal,
  onProgress: (doneBytes: number) => void,
): Promise<void> {
  const free: Buffer[] = [];
  const takeBuffer = () => free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  const writing: Promise<void>[] = [];
  let doneBytes = 0;
  const write = async (bytes: Buffer, offset: number) => {
    await target.write(bytes, offset);
    free.push(Buffer.from(bytes.buffer));
    doneBytes += bytes.length;
    onProgress(doneBytes);
  };
  try {
    for await (const { offset, bytes } of readBlocks(file, signal, takeBuffer)) {
      const written = write(bytes, offset);
      // What it says counts when it is waited for.
      written.catch(() => undefined);
      writing.push(written);
      if (writing.length >= WRITES_AT_ONCE) await writing.shift();
    }
    await Promise.all(writing);
  } finally {
    await Promise.allSettled(writing);
  }
}
