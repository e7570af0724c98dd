/**
 * @module Requests that are made again when their failure may pass: a connection that breaks, an S3 that is overloaded,
 * does not answer, or takes credentials for expired.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { httpStatus, isExpired, storageRefusal } from '../../../planning/environment/s3-client.ts';

export interface RetryPolicy {
  /** Without a byte or an answer for so long, a request counts as lost. */
  readonly stallMs: number;
  /** So many failures in a row are the caller's to see. */
  readonly attempts: number;
  /** From the first failure to the next attempt at most; twice as long after each. */
  readonly pauseMs: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = { stallMs: 60_000, attempts: 5, pauseMs: 250 };

export interface Attempt {
  /** Aborts with the caller's, and when nothing has moved for too long. */
  readonly signal: AbortSignal;
  /** Something has moved. */
  readonly touch: () => void;
  /** So much has been reached that failures before no longer count. */
  readonly advance: () => void;
}

/** What is small is soon asked for again: whoever waits for it may have a better idea than to wait for longer. */
const SMALL_ATTEMPTS = 3;

/**
 * A request for little. The SDK alone waits for an answer without end, makes none again after long trouble, and does not
 * renew credentials that S3 takes for expired.
 */
export function withShortRetry<T>(
  client: S3Client,
  retryPolicy: RetryPolicy,
  signal: AbortSignal | undefined,
  make: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const small = { ...retryPolicy, attempts: Math.min(SMALL_ATTEMPTS, retryPolicy.attempts) };
  return withRetry(client, small, signal ?? new AbortController().signal, (attempt) => make(attempt.signal));
}

export async function withRetry<T>(
  client: S3Client,
  { stallMs, attempts, pauseMs }: RetryPolicy,
  signal: AbortSignal,
  make: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  for (let failures = 0; ;) {
    signal.throwIfAborted();
    try {
      return await watched(stallMs, signal, (watch) => make({ ...watch, advance: () => (failures = 0) }));
    } catch (error) {
      signal.throwIfAborted();
      failures += 1;
      if (failures >= attempts || !mayPass(error)) throw error;
      if (isExpired(error)) await client.config.credentials({ forceRefresh: true });
      const longest = pauseMs * 2 ** (failures - 1);
      await delay(longest * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }
}

/** An error named TimeoutError when nothing moves for too long. */
async function watched<T>(
  stallMs: number,
  signal: AbortSignal,
  make: (attempt: Omit<Attempt, 'advance'>) => Promise<T>,
): Promise<T> {
  const stalled = new AbortController();
  const late = Object.assign(new Error(`nothing came for ${stallMs / 1000} s`), {
    name: 'TimeoutError',
  });
  const timer = setTimeout(() => stalled.abort(late), stallMs);
  try {
    return await make({ signal: AbortSignal.any([signal, stalled.signal]), touch: () => timer.refresh() });
  } catch (error) {
    // The SDK throws an AbortError of its own, whatever the signal's reason.
    throw stalled.signal.aborted && !signal.aborted ? late : error;
  } finally {
    clearTimeout(timer);
  }
}

/** HTTP 400, but of this one request: it was damaged or cut on its way. */
const DAMAGED = new Set(['BadDigest', 'IncompleteBody', 'RequestTimeout', 'XAmzContentChecksumMismatch']);

function mayPass(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isExpired(error) || DAMAGED.has(error.name)) return true;
  if (storageRefusal(error) !== undefined) return false;
  const status = httpStatus(error);
  // No status: it came from the connection.
  return status === undefined || status >= 500 || status === 408 || status === 429;
}
