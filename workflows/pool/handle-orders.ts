/**
 * @module Takes a person's orders on hosts, and refuses those that make no sense before they are in the history.
 */
import { setHandler } from '@temporalio/workflow';
import { parse } from '../../contracts/parsing.ts';
import { readOrder } from '../../contracts/pool-messages.ts';
import type { HostOrder } from '../../contracts/pool.ts';
import { checkOrder, type Order } from './host-orders.ts';
import { clearUpdate, cordonUpdate, drainUpdate, uncordonUpdate } from '../base/messages.ts';
import { clearHost, cordonHost, drainHost, uncordonHost } from './pool-hosts.ts';
import type { PoolState } from './pool-state.ts';
import { viewHost } from './pool-view.ts';
import { refused } from '../base/refused.ts';

type Deed = (state: PoolState, order: HostOrder, nowMs: number) => PoolState;

const ORDERS: readonly (readonly [Order, typeof cordonUpdate, Deed])[] = [
  ['cordon', cordonUpdate, cordonHost],
  ['uncordon', uncordonUpdate, uncordonHost],
  ['drain', drainUpdate, drainHost],
  ['clear', clearUpdate, clearHost],
];

export function handleOrders(stateNow: () => PoolState, update: (next: PoolState) => void): void {
  for (const [order, message, deed] of ORDERS) {
    setHandler(
      message,
      (given: unknown) => {
        const said = orderOf(given);
        update(deed(stateNow(), said, Date.now()));
        return viewHost(stateNow(), said.host);
      },
      { validator: (given: unknown) => checkOrder(stateNow(), order, orderOf(given)) },
    );
  }
}

function orderOf(given: unknown): HostOrder {
  const parsed = parse(readOrder, given, 'order');
  if (!parsed.ok) throw refused(parsed.problem);
  return parsed.value;
}
