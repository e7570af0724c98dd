/**
 * @module Waiting for a condition, with a deadline: never a bare sleep.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** The first answer that is neither undefined nor false. Throws at the deadline, saying what was waited for. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 60_000,
): Promise<T> {
  for (const deadline = Date.now() + deadlineMs; Date.now() < deadline;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await delay(50);
  }
  throw new Error(`waited ${deadlineMs / 1000} s in vain for: ${what}`);
}
