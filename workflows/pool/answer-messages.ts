/** @module What a pool answers: queries, signals of hosts and holders, and orders of people. */
import { setHandler } from '@temporalio/workflow';
import { hostQuery, poolLeaseQuery, poolQuery, reloadUpdate } from '../base/messages.ts';
import { answerHostOrders } from './answer-host-orders.ts';
import { answerSignals } from './answer-signals.ts';
import { findHost } from './pool-hosts.ts';
import { asToldToHolder } from './pool-ledger.ts';
import type { PoolRun } from './pool-run.ts';
import { reloadSettings } from './pool-settings.ts';
import { viewHost, viewPool } from './pool-view.ts';

/** Call it before the workflow's first await. */
export function answerMessages(pool: PoolRun): void {
  setHandler(poolQuery, () => viewPool(pool.state, Date.now()));
  setHandler(hostQuery, (name: unknown) => {
    const isKnown = findHost(pool.state, String(name)) !== undefined;
    return isKnown ? viewHost(pool.state, String(name)) : null;
  });
  setHandler(poolLeaseQuery, (requestId: unknown) => {
    const lease = pool.state.leases.find((one) => one.requestId === requestId);
    return { isReady: pool.isReady, lease: lease === undefined ? null : asToldToHolder(lease) };
  });
  answerSignals(pool);
  answerHostOrders(pool);
  setHandler(reloadUpdate, () => reloadSettings(pool));
}
