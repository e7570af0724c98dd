/** @module A file on the machine that downloads: in the GLEE checkout, or on a disk that somebody mounted. */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { toBytes } from '../../storage/files.ts';
import { FetchError } from '../fetch-error.ts';
import { fileNameOf, type ArtifactSource, type FileVersion } from './source.ts';

export function localFile(path: string): ArtifactSource {
  const address = `file://${path}`;
  return {
    address,
    fileName: fileNameOf(path),
    async describe() {
      const file = await openFile(path);
      try {
        return await versionOf(file, address);
      } finally {
        await file.close();
      }
    },
    async open(offset, version, signal) {
      const file = await openFile(path);
      try {
        const now = await versionOf(file, address);
        if (now.validator !== version.validator) {
          throw new FetchError('sourceChanged', `${address} was written while it was read`);
        }
      } catch (error) {
        await file.close();
        throw error;
      }
      return chunksOf(file, offset, signal);
    },
  };
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // Without waiting: opening a pipe would, until somebody writes to it.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const message = `file://${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new FetchError('notFound', message, { cause: error });
    if (code === 'EACCES' || code === 'EPERM')
      throw new FetchError('unauthorized', message, { cause: error });
    throw new FetchError('unavailable', message, { cause: error });
  }
}

async function versionOf(file: FileHandle, address: string): Promise<FileVersion> {
  const found = await file.stat({ bigint: true });
  if (!found.isFile()) throw new FetchError('unusableSource', `${address} is not a file`);
  return { sizeBytes: Number(found.size), validator: `${found.ino}-${found.size}-${found.mtimeNs}` };
}

async function* chunksOf(file: FileHandle, start: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stream = file.createReadStream({ start, highWaterMark: 1 << 20, signal });
  for await (const chunk of stream) yield toBytes(chunk);
}
