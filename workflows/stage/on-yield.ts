/** @module The pool wants a lease back. */
import { setHandler } from '@temporalio/workflow';
import { readYield } from '../../contracts/pool-messages.ts';
import type { YieldRequest } from '../../contracts/pool.ts';
import { yieldSignal } from '../base/messages.ts';
import type { StageLease } from './stage-lease.ts';
import { taking } from '../base/take-message.ts';

/**
 * Calls back for a well-formed signal about the lease that is held, or that was granted and is not confirmed yet; drops
 * all others. Call it before the first await.
 */
export function onYield(lease: StageLease, then: (request: YieldRequest) => void): void {
  setHandler(
    yieldSignal,
    taking('yield', readYield, (request) => {
      if (lease.isOwn(request.requestId)) then(request);
    }),
  );
}
