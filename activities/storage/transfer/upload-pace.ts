/** @module A limit on bytes a second, which may change while it holds. */
import { setTimeout as delay } from 'node:timers/promises';

/** What goes at once under a limit. */
export const SLICE_BYTES = 64 << 10;
/** A new limit counts after this time. */
const LONGEST_WAIT_MS = 250;
/** Slower than this, servers take a connection for dead. */
const LEAST_BYTES_PER_SECOND = 16 << 10;

export class Pace {
  readonly #bytesPerSecond: () => number | undefined;
  #allowance = SLICE_BYTES;
  #countedAt = performance.now();
  #queue: Promise<void> = Promise.resolve();

  /** @param bytesPerSecond Asked again and again; undefined where there is no limit at the moment. */
  constructor(bytesPerSecond: () => number | undefined) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  get isLimited(): boolean {
    return this.#bytesPerSecond() !== undefined;
  }

  /** Resolves when so many bytes may go, no more than SLICE_BYTES; those that ask are served one after another. */
  take(bytes: number, signal: AbortSignal): Promise<void> {
    const turn = this.#queue.then(() => this.#wait(bytes, signal));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #wait(bytes: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const limit = this.#bytesPerSecond();
      if (limit === undefined) return;
      const rate = Math.max(limit, LEAST_BYTES_PER_SECOND);
      const now = performance.now();
      // What was not used is not saved up: after a pause the link must not be flooded.
      this.#allowance = Math.min(this.#allowance + ((now - this.#countedAt) / 1000) * rate, SLICE_BYTES);
      this.#countedAt = now;
      if (this.#allowance >= bytes) {
        this.#allowance -= bytes;
        return;
      }
      const waitMs = ((bytes - this.#allowance) / rate) * 1000;
      await delay(Math.min(waitMs, LONGEST_WAIT_MS), undefined, { signal });
    }
  }
}
