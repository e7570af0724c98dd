/**
 * @module A file out of S3: ranges side by side, each written to its place under a checksum that is taken on the way,
 * and a name only when all of it is right. Not flushed: who reads a file after a reboot verifies it.
 */
import { mkdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createSizedFile } from '../../files/sized-file.ts';
import { sha256OfFile, writeWhole } from '../../files/atomic-files.ts';
import { WrongContent, type TransferOptions } from '../ports/object-store.ts';
import { crc32Hex } from './crc32.ts';
import type { DownloadSource, Promised } from './transfer-ends.ts';
import { fetchRanges } from './fetch-ranges.ts';
import { crc32OfPieces } from './cut-pieces.ts';

/** @throws WrongContent when the object is not what was promised; whatever fails, the file that was there stays. */
export async function downloadFile(
  source: DownloadSource,
  promised: Promised,
  path: string,
  signal: AbortSignal,
  { onProgress }: TransferOptions = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeWhole(path, async (temporary) => {
    signal.throwIfAborted();
    await mustHaveRoom(dirname(path), promised.sizeBytes);
    const file = await createSizedFile(temporary, promised.sizeBytes);
    try {
      const pieces = await fetchRanges(source, { promised, file, signal, onProgress });
      const crc32 = crc32Hex(crc32OfPieces(pieces));
      await mustBeRight(promised, crc32, temporary, signal);
    } finally {
      await file.close();
    }
  });
}

/** A disk that is too small is better told before gigabytes have come than after. */
async function mustHaveRoom(folder: string, sizeBytes: number): Promise<void> {
  const { bfree, blocks, bsize } = await statfs(folder);
  // Some file systems do not count.
  if (blocks > 0 && bfree * bsize < sizeBytes) {
    const text = `the disk of ${folder} is full: ${sizeBytes} bytes are needed, ${bfree * bsize} are free`;
    throw Object.assign(new Error(text), { code: 'ENOSPC' });
  }
}

/** Manifests of older versions have no CRC32: then the file is read again. */
async function mustBeRight(
  promised: Promised,
  crc32: string,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const [kind, wanted, found] =
    promised.crc32 === undefined
      ? ['sha256', promised.sha256, await sha256OfFile(path, signal)]
      : ['crc32', promised.crc32, crc32];
  if (found === wanted) return;
  const size = String(promised.sizeBytes);
  throw new WrongContent(`expected ${size} bytes with ${kind} ${wanted}, got ${size} with ${found}`);
}
