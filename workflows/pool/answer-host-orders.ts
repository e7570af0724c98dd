/**
 * @module A person's orders on hosts. One that makes no sense is refused by its validator, before it is in the history.
 */
import { setHandler } from '@temporalio/workflow';
import { parse } from '../../contracts/parsing.ts';
import { readOrder } from '../../contracts/pool-messages.ts';
import type { HostOrder } from '../../contracts/pool.ts';
import { checkOrder, type HostOrderKind } from './host-orders.ts';
import { clearUpdate, cordonUpdate, drainUpdate, uncordonUpdate } from '../base/messages.ts';
import { clearHost, cordonHost, drainHost, uncordonHost } from './pool-hosts.ts';
import type { PoolRun } from './pool-run.ts';
import type { PoolState } from './pool-state.ts';
import { viewHost } from './pool-view.ts';
import { refused } from '../base/refused.ts';

type Apply = (state: PoolState, order: HostOrder, nowMs: number) => PoolState;

const ORDERS: readonly (readonly [HostOrderKind, typeof cordonUpdate, Apply])[] = [
  ['cordon', cordonUpdate, cordonHost],
  ['uncordon', uncordonUpdate, uncordonHost],
  ['drain', drainUpdate, drainHost],
  ['clear', clearUpdate, clearHost],
];

export function answerHostOrders(pool: PoolRun): void {
  for (const [order, message, apply] of ORDERS) {
    setHandler(
      message,
      (given: unknown) => {
        const parsed = orderOf(given);
        pool.update(apply(pool.state, parsed, Date.now()));
        return viewHost(pool.state, parsed.host);
      },
      { validator: (given: unknown) => checkOrder(pool.state, order, orderOf(given)) },
    );
  }
}

function orderOf(given: unknown): HostOrder {
  const parsed = parse(readOrder, given, 'order');
  if (!parsed.ok) throw refused(parsed.problem);
  return parsed.value;
}
