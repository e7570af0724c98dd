/**
 * @module Bytes that a server sends after an answer has ended by its own Content-Length. HTTP has them ignored; here they
 * mean that the length is a lie, and what was read is a file cut off.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';

/** What follows a file cut off is on the line already, or comes within a turn of it. */
const GRACE_MS = 50;

export interface Surplus {
  /** For undici's agents: makes the connections to an origin. */
  readonly factory: (origin: string | URL, options: object) => Pool;
  /** Begins to look; what it returns is called at the end of the body. By origin: undici doesn't tell whose bytes they are. */
  watch(origin: string): () => Promise<boolean>;
}

export function createSurplus(): Surplus {
  const counts = new Map<string, number>();
  const countOf = (origin: string) => counts.get(origin) ?? 0;
  return {
    factory(to, options) {
      const { origin } = new URL(to);
      const pool = new Pool(to, options);
      // Undici's word for bytes that no request waits for; a test holds it.
      return pool.on('disconnect', (_origin, _targets, error) => {
        if (error.message === 'bad response') counts.set(origin, countOf(origin) + 1);
      });
    },
    watch(origin) {
      const before = countOf(origin);
      return async () => {
        await delay(GRACE_MS);
        return countOf(origin) !== before;
      };
    },
  };
}
