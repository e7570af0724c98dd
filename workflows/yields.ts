/** @module The pool wants a lease back: parsed, since anybody who may write to the namespace can send the signal. */
import { log, setHandler } from '@temporalio/workflow';
import type { YieldRequest } from '../contracts/pool.ts';
import { yieldSignal } from './messages.ts';
import type { StageLease } from './stage-lease.ts';

const LONGEST_WHY = 500;
const LONGEST_WITHIN_MS = 86_400_000;

/**
 * Calls back for a well-formed signal about the lease that is held, or that was granted and is not confirmed yet; drops
 * all others. Call it before the first await.
 */
export function onYield(lease: StageLease, then: (request: YieldRequest) => void): void {
  setHandler(yieldSignal, (input: unknown) => {
    const request = parseYield(input);
    if (request === undefined) log.warn('a malformed signal was dropped', { signal: 'yield' });
    else if (lease.isOwn(request.requestId)) then(request);
  });
}

function parseYield(input: unknown): YieldRequest | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  const { requestId, why, withinMs }: { requestId?: unknown; why?: unknown; withinMs?: unknown } = input;
  if (typeof requestId !== 'string' || typeof why !== 'string') return undefined;
  if (typeof withinMs !== 'number' || !(withinMs >= 0 && withinMs <= LONGEST_WITHIN_MS)) return undefined;
  return { requestId, why: why.slice(0, LONGEST_WHY), withinMs };
}
