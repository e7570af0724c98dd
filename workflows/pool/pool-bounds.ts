/**
 * @module How much a pool takes in: its state crosses a continue-as-new, and Temporal refuses more than 2 MB. What finds
 * no room is dropped, and told again by whoever sent it: a worker joins until it is accepted, a stage asks again. Pure.
 */
import type { PoolState } from './pool-state.ts';

export const MAX_HOSTS = 2000;
/** Of those that wait, and as many leases. */
export const MAX_REQUESTS = 5000;
const MAX_STATE_BYTES = 1_000_000;

/** @param added What would be added to the state. */
export function hasRoomFor(state: PoolState, added: unknown): boolean {
  const { hosts, leases, queue } = state;
  if (hosts.length >= MAX_HOSTS || queue.length + leases.length >= MAX_REQUESTS) return false;
  return JSON.stringify(state).length + JSON.stringify(added).length <= MAX_STATE_BYTES;
}
