/**
 * @module The small files of a job folder. Trainers write most of them, a disk may damage any: one that is not what it
 * should be counts as absent and is logged once, so that it never keeps a trainer from being supervised.
 */
import { asyncLocalStorage, log } from '@temporalio/activity';
import type { z } from 'zod';
import { readRegularTail, readRegularText } from '../../files/regular-files.ts';
import { parseObject } from '../../storage/schemas.ts';

/** The largest is an outcome with its failure's text. */
const LARGEST_BYTES = 256 << 10;
/** A worker lives for months; each is logged again after so many others. */
const REMEMBERED = 1000;

const reported = new Set<string>();

/** The content; undefined where there is none that can be read. */
export async function readJobPart<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  return unlessStrange(path, async () => {
    const text = await readRegularText(path, LARGEST_BYTES);
    return text === undefined ? undefined : parseObject(text, schema, path);
  });
}

/** The last bytes of a file that grows, as a log; '' where there are none that can be read. */
export async function readJobTail(path: string, maxBytes: number): Promise<string> {
  return (await unlessStrange(path, () => readRegularTail(path, maxBytes))) ?? '';
}

async function unlessStrange<T>(path: string, reading: () => Promise<T>): Promise<T | undefined> {
  try {
    return await reading();
  } catch (error) {
    report(path, error);
    return undefined;
  }
}

function report(path: string, error: unknown): void {
  // The guard and others that belong to no activity look at the same files again and again.
  if (reported.has(path) || asyncLocalStorage.getStore() === undefined) return;
  if (reported.size >= REMEMBERED) reported.clear();
  reported.add(path);
  log.warn('a file of a job cannot be read and counts as absent', {
    path,
    error: String(error).slice(0, 500),
  });
}
