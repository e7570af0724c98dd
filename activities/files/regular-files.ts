/**
 * @module Files that another program has left in a folder, read as nothing but files: no link is followed, no pipe is
 * waited for, and no more is read than is expected of them.
 */
import { constants } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { isNotFound } from './atomic-files.ts';

/** What lies at the path is not a file of the expected kind; the message names both. */
export class StrangeFile extends Error {
  override readonly name = 'StrangeFile';
}

/**
 * Opens a file for reading; undefined when nothing is there.
 * @throws StrangeFile when something else is there: a link, a pipe, a folder, a device.
 */
export async function openRegular(path: string): Promise<FileHandle | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      if (isNotFound(error)) return undefined;
      // A link; a socket, or a device without a driver.
      if (error instanceof Error && 'code' in error && (error.code === 'ELOOP' || error.code === 'ENXIO'))
        throw new StrangeFile(`${path} is not a regular file`, { cause: error });
      throw error;
    },
  );
  if (file === undefined) return undefined;
  try {
    if ((await file.stat()).isFile()) return file;
    throw new StrangeFile(`${path} is not a regular file`);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * The whole text; undefined when nothing is there.
 * @throws StrangeFile also when it is longer than `maxBytes`.
 */
export async function readRegularText(path: string, maxBytes: number): Promise<string | undefined> {
  const file = await openRegular(path);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    if (size > maxBytes) throw new StrangeFile(`${path} is longer than ${maxBytes} bytes`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The last bytes of a file that may be growing; '' when nothing is there. */
export async function readRegularTail(path: string, maxBytes: number): Promise<string> {
  const file = await openRegular(path);
  if (file === undefined) return '';
  try {
    const { size } = await file.stat();
    const length = Math.min(size, maxBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Size and time of change of a regular file; undefined for anything else, and where nothing is. */
export async function statRegular(
  path: string,
): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  try {
    const found = await lstat(path);
    return found.isFile() ? found : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
