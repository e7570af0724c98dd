/**
 * @module Files on a host that are whole or not there: temporary name, fsync, rename.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isAbandoned, writerMark } from './writers.ts';

/** Writes a small file so that a crash leaves the old content or the new, never half. */
export async function writeFileAtomically(path: string, content: string): Promise<void> {
  await writeWhole(path, async (temporary) => {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

/**
 * Gives the path to a file of any size once it is whole; leaves nothing of it when that fails.
 * @param write Makes the temporary file; down to the disk, where it must survive a loss of power.
 */
export async function writeWhole(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await write(temporary);
    await publish(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** What a temporary name has more than the name of the file that it becomes. */
const TEMPORARY = /\.([\w-]+)\.tmp$/;

/** Beside the path, and used once: a killed writer leaves its own, and two at the same time do not meet. */
export function temporaryName(path: string): string {
  return `${path}.${writerMark()}.tmp`;
}

/** The path that a temporary file was to become; any other stays what it is. */
export function finalName(path: string): string {
  return path.replace(TEMPORARY, '');
}

/** For who is about to write a large file: removes what killed writers of the same path have left beside it. */
export async function removeAbandoned(path: string): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((name) => finalName(name) === basename(path))) {
    const mark = TEMPORARY.exec(name)?.[1];
    if (mark === undefined) continue;
    const left = join(folder, name);
    // Another writer may have found it too; and what cannot be removed is no reason not to write.
    if (await isAbandoned(mark, left).catch(() => false))
      await rm(left, { force: true }).catch(() => undefined);
  }
}

/** Gives a finished temporary file its name and makes the name durable. */
export async function publish(temporary: string, path: string): Promise<void> {
  await rename(temporary, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Undefined when the file does not exist. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Size in bytes, or undefined when the file does not exist. */
export async function sizeIfThere(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** SHA-256 in hex, read as a stream: memory stays flat. */
export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const options = { highWaterMark: 1 << 20, ...(signal && { signal }) };
  for await (const chunk of createReadStream(path, options)) hash.update(toBytes(chunk));
  return hash.digest('hex');
}

/** True when the file is there with just this content. */
export async function hasContent(
  path: string,
  expected: { readonly sizeBytes: number; readonly sha256: string },
  signal?: AbortSignal,
): Promise<boolean> {
  if ((await sizeIfThere(path)) !== expected.sizeBytes) return false;
  return (await sha256OfFile(path, signal)) === expected.sha256;
}

export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

const UNWRITABLE: ReadonlySet<unknown> = new Set(['EROFS', 'EACCES', 'EPERM', 'EIO', 'ENOTDIR']);

/** The disk, or the folder, takes no writes. */
export function isUnwritable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && UNWRITABLE.has(error.code);
}

/** The disk is full, or the user's share of it. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** Streams without an encoding yield buffers; their type only says `any`. */
export function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError('a binary stream yielded something that is not bytes');
}
