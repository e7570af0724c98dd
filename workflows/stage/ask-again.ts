/** @module How long a stage waits for hosts before it asks for them again. Pure. */

const FIRST_MS = 30_000;

/** A pool that was started again asks who waits: another request is for what got lost, and each makes the history longer. */
const LONGEST_MS = 15 * 60_000;

/** @param asked How often it has asked already, in this wait. */
export function askAgainAfterMs(asked: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** (asked - 1));
}
