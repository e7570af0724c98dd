/** @module What checks keep on a host from one to the next, below `<scratch>/health`. Nothing depends on it but time. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { readTextIfThere, writeFileAtomically } from '../files/atomic-files.ts';
import { parseObject } from '../storage/schemas.ts';

/** Undefined where nothing was kept, or nothing that can be read. */
export async function readKept<T>(
  scratch: string,
  name: string,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  const path = join(scratch, 'health', name);
  try {
    const text = await readTextIfThere(path);
    return text === undefined ? undefined : parseObject(text, schema, path);
  } catch {
    return undefined;
  }
}

/** A disk that takes no more is the room check's to say. */
export async function keep(scratch: string, name: string, content: unknown): Promise<void> {
  try {
    await mkdir(join(scratch, 'health'), { recursive: true });
    await writeFileAtomically(join(scratch, 'health', name), JSON.stringify(content));
  } catch {
    // Looked at again the next time.
  }
}
