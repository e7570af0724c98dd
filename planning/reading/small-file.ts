/** @module Text files that people write: regular ones, of a size that can be right, in UTF-8. */
import { readFile, stat } from 'node:fs/promises';
import { shownPath } from '../environment/package-root.ts';
import { ConfigError } from './problems.ts';
import { messageOf } from '../../contracts/error-message.ts';

/** In UTF-8 a character has up to four bytes, and none of ours has many such. */
const LARGEST_BYTES = 1024 * 1024;

/**
 * The file's text, without a byte order mark.
 *
 * @throws Error that says what is wrong with it, with `code` ENOENT where there is none.
 */
export async function readSmallText(path: string): Promise<string> {
  const found = await stat(path);
  if (!found.isFile()) throw new Error('it is not a regular file');
  if (found.size > LARGEST_BYTES)
    throw new Error(`it has ${found.size} bytes, more than the ${LARGEST_BYTES} allowed`);
  const bytes = await readFile(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('it is not UTF-8: save it in that encoding');
  }
}

/**
 * The same of a config of this project.
 *
 * @param missing What one that is not there counts as. By default it is an error.
 * @throws ConfigError that names the file.
 */
export async function readConfigText(path: string, missing?: string): Promise<string> {
  try {
    return await readSmallText(path);
  } catch (error) {
    if (missing !== undefined && error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return missing;
    const message = `cannot be read: ${messageOf(error)}`;
    throw new ConfigError([{ level: 'error', file: shownPath(path), key: '', message }]);
  }
}
