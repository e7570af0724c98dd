/**
 * @module Errors without a name hold a gang while Temporal tries again. Those of S3 may pass; all others get a name once
 * they have come back for minutes.
 */
import { ApplicationFailure, CancelledFailure, log } from '@temporalio/activity';
import { storageRefusal } from '../../../planning/environment/s3-client.ts';
import { fail } from '../../support/failures.ts';

export interface UnnamedLimits {
  /** So many tries, and so long, before the error gets a name. */
  readonly tries: number;
  readonly ms: number;
}

const LIMITS: UnnamedLimits = { tries: 10, ms: 600_000 };

/** After so long without an error, one that comes is a new one. */
const QUIET_MS = 1_800_000;

interface Seen {
  readonly since: number;
  readonly last: number;
  readonly tries: number;
}

/** Of one worker: a new one counts from the beginning. */
export class UnnamedErrors {
  readonly #host: string;
  readonly #limits: UnnamedLimits;
  readonly #seen = new Map<string, Seen>();

  constructor(host: string, limits: UnnamedLimits = LIMITS) {
    this.#host = host;
    this.#limits = limits;
  }

  /**
   * @param what Tells one attempt's work from another's.
   * @param giveUp Ends what the work has started, before its error gets a name.
   * @throws StorageRefused or HostUnfit once the same work has failed for too long; whatever it failed with before.
   */
  async bound<T>(what: string, work: () => Promise<T>, giveUp: () => Promise<void> = nothing): Promise<T> {
    try {
      const done = await work();
      this.#seen.delete(what);
      return done;
    } catch (error) {
      if (hasName(error) || isOfStorage(error)) {
        this.#seen.delete(what);
        throw error;
      }
      if (!this.#isTooMuch(what)) throw error;
      this.#seen.delete(what);
      await giveUp().catch((reason: unknown) => {
        log.warn('it was not ended', { what, error: String(reason) });
      });
      throw this.#named(error);
    }
  }

  #isTooMuch(what: string): boolean {
    const now = Date.now();
    const before = this.#seen.get(what);
    const known = before !== undefined && now - before.last < QUIET_MS ? before : { since: now, tries: 0 };
    const seen = { since: known.since, last: now, tries: known.tries + 1 };
    this.#seen.set(what, seen);
    return seen.tries >= this.#limits.tries && now - seen.since >= this.#limits.ms;
  }

  #named(error: unknown): Error {
    const facts = { host: this.#host, at: Date.now() };
    const refusal = storageRefusal(error);
    if (refusal !== undefined) return fail('StorageRefused', `S3 refuses ${this.#host}: ${refusal}`, facts);
    const message = `host ${this.#host} failed ${String(this.#limits.tries)} times with an error that has no name: ${String(error)}`;
    return fail('HostUnfit', message, facts);
  }
}

function nothing(): Promise<void> {
  return Promise.resolve();
}

function hasName(error: unknown): boolean {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return true;
  return error instanceof Error && error.name === 'AbortError';
}

/** S3 is away, or in trouble: the adapters say so at the beginning of their messages. */
function isOfStorage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('S3 ') && storageRefusal(error) === undefined;
}
