/** @module Files that S3 is to have: gone or damaged there is told from an S3 that is away. */
import { httpStatus } from '../../../planning/environment/s3-client.ts';
import type { StoredFile } from '../../../contracts/checkpoints.ts';
import { WrongContent, type ObjectStore } from '../../storage/ports/object-store.ts';

/** What is wrong with the object in S3: another download would find the same. */
export interface StoredDamage {
  readonly kind: 'gone' | 'damaged';
  readonly message: string;
}

/**
 * Twice, before S3 is blamed: what was damaged on the way is whole the second time.
 *
 * @returns Undefined when the file is there, verified. Throws what may pass, as S3 that does not answer.
 */
export async function downloadProven(
  store: ObjectStore,
  file: StoredFile,
  target: string,
  signal: AbortSignal,
): Promise<StoredDamage | undefined> {
  const { key: fullKey, ...promised } = file;
  const download = () => store.download({ ...promised, fullKey }, target, signal);
  try {
    await download().catch((error: unknown) => {
      if (damageOf(error) !== undefined) return download();
      throw error;
    });
    return undefined;
  } catch (error) {
    const damage = damageOf(error);
    if (damage === undefined) throw error;
    return damage;
  }
}

function damageOf(error: unknown): StoredDamage | undefined {
  if (!(error instanceof Error)) return undefined;
  const { message, name } = error;
  if (error instanceof WrongContent) return { kind: 'damaged', message };
  if (name === 'NoSuchKey' || (httpStatus(error) === 404 && name !== 'NoSuchBucket'))
    return { kind: 'gone', message };
  // It is shorter than was promised.
  return httpStatus(error) === 416 ? { kind: 'damaged', message } : undefined;
}
