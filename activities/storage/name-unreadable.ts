/**
 * @module Objects of ours that something else has overwritten: no retry mends them, and what people see says which it is.
 */
import { fail } from '../support/failures.ts';
import { UnreadableObject } from '../files/bounded-json.ts';

/** S3 may answer with something else for a moment: an object is believed to be damaged when it was read so often. */
const READS = 3;

/**
 * Runs an activity.
 * @param attempt Of the activity, from 1.
 * @throws StorageRefused for an object that was unreadable again.
 */
export async function nameUnreadable<T>(attempt: number, execute: () => Promise<T>): Promise<T> {
  try {
    return await execute();
  } catch (error) {
    if (!(error instanceof UnreadableObject) || attempt < READS) throw error;
    throw fail('StorageRefused', `${error.message}: put the object back as it was, and start again`);
  }
}
