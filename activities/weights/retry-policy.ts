/**
 * @module How often a request is tried again, and when. Only failures without progress in between count: a server that
 * breaks every connection still gives the whole file, one that gives nothing is not asked for ever.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { httpStatus, storageRefusal } from '../../planning/environment/s3-client.ts';
import { FetchError } from './sources/fetch-error.ts';
import { messageOf } from '../../contracts/error-message.ts';

export interface RetryPolicy {
  /** So many failures in a row without new bytes end it. */
  readonly failures: number;
  /** Doubles with each failure, and varies so that many hosts do not come back at the same moment. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** A server's own Retry-After is honoured up to here. */
  readonly longestRetryAfterMs: number;
}

/** About a minute of nothing at all. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  failures: 8,
  firstWaitMs: 500,
  longestWaitMs: 30_000,
  longestRetryAfterMs: 300_000,
};

export interface Retrier {
  /** @param doneBytes Only more than ever before is progress. */
  progressed(doneBytes: number): void;
  /** Waits until it is time to try again. Throws what will not pass by itself, and what the policy allows no more for. */
  wait(error: unknown, signal: AbortSignal): Promise<void>;
  retry<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** @param note Told, for people, what failed and when it is tried again. */
export function createRetrier(settings: RetryPolicy, note: (text: string) => void): Retrier {
  let failures = 0;
  let mostBytes = 0;
  const retrier: Retrier = {
    progressed(doneBytes) {
      if (doneBytes <= mostBytes) return;
      mostBytes = doneBytes;
      failures = 0;
    },
    async wait(error, signal) {
      signal.throwIfAborted();
      if (!mayPass(error)) throw error;
      failures += 1;
      if (failures >= settings.failures) throw spent(error, failures);
      const waitMs = waitFor(error, failures, settings);
      note(`${messageOf(error)}, trying again in ${Math.ceil(waitMs / 1000)} s`);
      await sleep(waitMs, undefined, { signal });
    },
    async retry(work, signal) {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          await retrier.wait(error, signal);
        }
      }
    },
  };
  return retrier;
}

/** Errors of sources that say so; of S3, those of the network and of a server in trouble. */
function mayPass(error: unknown): boolean {
  if (error instanceof FetchError) return error.kind === 'unavailable';
  if (!(error instanceof Error) || error.name === 'AbortError') return false;
  if (storageRefusal(error) !== undefined) return false;
  const status = httpStatus(error);
  if (status !== undefined) return status >= 500 || status === 408 || status === 429;
  return error.name === 'TimeoutError' || 'code' in error;
}

function waitFor(error: unknown, failures: number, settings: RetryPolicy): number {
  const grown = Math.min(settings.firstWaitMs * 2 ** (failures - 1), settings.longestWaitMs);
  const jittered = grown * (0.5 + Math.random() / 2);
  const asked = error instanceof FetchError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(jittered, Math.min(asked, settings.longestRetryAfterMs));
}

/** S3's own errors stay as they are: callers know them. */
function spent(error: unknown, failures: number): unknown {
  if (!(error instanceof FetchError)) return error;
  const { message, retryAfterMs } = error;
  return new FetchError('unavailable', `${message}, ${failures} times without a new byte`, {
    cause: error,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
