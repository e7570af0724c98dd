/** @module A file on the machine that downloads: in the GLEE checkout, or on a disk that someone mounted. */
import { constants } from 'node:fs';
import { open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { sep } from 'node:path';
import { toBytes } from '../../files/atomic-files.ts';
import { FetchError } from './fetch-error.ts';
import { fileNameOf, type ArtifactSource, type FileVersion } from './source.ts';
import { messageOf } from '../../../contracts/error-message.ts';

/** @param roots Folders that may be read from; links that lead out of them are not followed. */
export function localFile(path: string, roots: readonly string[]): ArtifactSource {
  const address = `file://${path}`;
  return {
    address,
    fileName: fileNameOf(path),
    async describe() {
      const file = await openFile(path, roots);
      try {
        return await versionOf(file, address);
      } finally {
        await file.close();
      }
    },
    async open(offset, version, signal) {
      const file = await openFile(path, roots);
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

/** @throws FetchError `unauthorized` for what lies elsewhere, be it there or not. */
async function openFile(path: string, roots: readonly string[]): Promise<FileHandle> {
  const folders = await Promise.all(roots.map((root) => realpath(root).catch(() => root)));
  if (![...roots, ...folders].some((root) => isBelow(path, root))) throw outside(path);
  try {
    // Before it is opened, as devices notice that; and after, as a link may have come in between.
    mustLieBelow(folders, path, await realpath(path));
    // Without waiting: opening a pipe would, until someone writes to it.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const opened = await readlink(`/proc/self/fd/${file.fd}`).catch(() => realpath(path));
      mustLieBelow(folders, path, opened);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    throw inOurWords(path, error);
  }
}

function inOurWords(path: string, error: unknown): FetchError {
  if (error instanceof FetchError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = `file://${path} cannot be read: ${messageOf(error)}`;
  if (code === 'ENOENT' || code === 'ENOTDIR') return new FetchError('notFound', message, { cause: error });
  if (code === 'EACCES' || code === 'EPERM') return new FetchError('unauthorized', message, { cause: error });
  return new FetchError('unavailable', message, { cause: error });
}

function mustLieBelow(folders: readonly string[], path: string, real: string): void {
  if (!folders.some((folder) => isBelow(real, folder))) throw outside(path);
}

function isBelow(path: string, root: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep);
}

function outside(path: string): FetchError {
  return new FetchError(
    'unauthorized',
    `file://${path} lies outside the folders that weights may be read from, or a link leads out of them: move it into the GLEE checkout or GLEE_CONFIG_DIR of the control workers, or add its folder to their GLEE_FILE_ROOTS`,
  );
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
