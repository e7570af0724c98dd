/**
 * @module Takes a person's orders on hosts, and refuses those that make no sense before they are in the history.
 */
import { setHandler } from '@temporalio/workflow';
import type { HostOrder } from '../contracts/pool.ts';
import { checkOrder, type Order } from './host-orders.ts';
import { clearUpdate, cordonUpdate, drainUpdate, uncordonUpdate } from './messages.ts';
import { clearHost, cordonHost, drainHost, uncordonHost } from './pool-hosts.ts';
import type { PoolState } from './pool-state.ts';
import { viewHost } from './pool-view.ts';

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
      (said: HostOrder) => {
        update(deed(stateNow(), said, Date.now()));
        return viewHost(stateNow(), said.host);
      },
      { validator: (said: HostOrder) => checkOrder(stateNow(), order, said) },
    );
  }
}
