/**
 * @module Who has which GPUs: requests come, are granted whole or not at all, and end. Pure.
 */
import type { Lease, LeaseRequest } from '../../contracts/pool.ts';
import { judge } from './judge-requests.ts';
import { effectivePriority } from './pool-order.ts';
import type { HeldLease, PoolState, Waiting } from './pool-state.ts';

/**
 * A request that is granted already is not queued; one that waits gets its newest words. The first one of a holder
 * that was started again proves that its former self has ended: without this it would wait for hosts that a terminated
 * one never returned. One that replaces a lease ends it: no one holds hosts while it waits for more.
 */
export function enqueue(state: PoolState, request: LeaseRequest, nowMs: number): PoolState {
  if (state.leases.some(({ requestId }) => requestId === request.requestId)) return state;
  const known = state.queue.find(({ requestId }) => requestId === request.requestId);
  if (known !== undefined) {
    const queue = state.queue.map((one) => (one === known ? { ...placeOf(known), ...request } : one));
    return { ...state, queue };
  }
  const stands = ({ holder, holderSince }: LeaseRequest | Lease) =>
    holder !== request.holder || holderSince >= request.holderSince;
  const lives = { ...state, leases: state.leases.filter(stands), queue: state.queue.filter(stands) };
  const replaced = request.replaces === undefined ? undefined : findReplaced(lives, request, nowMs);
  const waiting: Waiting = { arrivedAt: nowMs, waitingSince: nowMs, ...replaced, ...request };
  const rest = replaced === undefined ? lives : release(lives, request.replaces ?? '');
  return { ...rest, queue: [...rest.queue, waiting] };
}

export function release(state: PoolState, requestId: string): PoolState {
  return {
    ...state,
    queue: state.queue.filter((request) => request.requestId !== requestId),
    leases: state.leases.filter((lease) => lease.requestId !== requestId),
  };
}

/** Of one that waits, or of a lease: only what is more urgent asks it to yield from now on. */
export function reprioritise(state: PoolState, requestId: string, priority: number): PoolState {
  return {
    ...state,
    queue: state.queue.map((one) => (one.requestId === requestId ? { ...one, priority } : one)),
    leases: state.leases.map((one) => (one.requestId === requestId ? { ...one, rank: priority } : one)),
  };
}

/** Ends all that a workflow held or waited for, when it is known to have ended. */
export function endHolder(state: PoolState, holder: string): PoolState {
  return {
    ...state,
    queue: state.queue.filter((request) => request.holder !== holder),
    leases: state.leases.filter((lease) => lease.holder !== holder),
  };
}

export function holders(state: PoolState): readonly string[] {
  return [...new Set([...state.leases, ...state.queue].map(({ holder }) => holder))];
}

/**
 * Grants all that can be granted, each whole. What is granted may end a claim on other hosts: until nothing more is granted.
 *
 * @param nowMs Floor of the tokens: they grow even when the pool lost its memory, as long as clocks do.
 */
export function grant(
  state: PoolState,
  nowMs: number,
): { readonly state: PoolState; readonly granted: readonly Lease[] } {
  const granted: Lease[] = [];
  for (let now = state; ;) {
    const more = grantOnce(now, nowMs);
    if (more.granted.length === 0) return { state: now, granted };
    now = more.state;
    granted.push(...more.granted.map(asToldToHolder));
  }
}

function grantOnce(
  state: PoolState,
  nowMs: number,
): { readonly state: PoolState; readonly granted: readonly HeldLease[] } {
  const granted: HeldLease[] = [];
  for (const { request, verdict } of judge(state, nowMs)) {
    if (verdict.kind !== 'granted') continue;
    const { requestId, holder, holderSince, team, arrivedAt } = request;
    const lastToken = granted.at(-1)?.token ?? state.lastToken;
    granted.push({
      ...{ requestId, holder, holderSince, hosts: verdict.hosts },
      token: Math.max(lastToken + 1, nowMs),
      rank: effectivePriority(request, state.settings.ageAfterMs, nowMs),
      ...{ arrivedAt, grantedAt: nowMs },
      ...(team !== undefined && { team }),
    });
  }
  const ids = new Set(granted.map(({ requestId }) => requestId));
  return {
    state: {
      ...state,
      queue: state.queue.filter(({ requestId }) => !ids.has(requestId)),
      leases: [...state.leases, ...granted],
      lastToken: granted.at(-1)?.token ?? state.lastToken,
    },
    granted,
  };
}

/** A lease without what the pool notes of it. */
export function asToldToHolder({ requestId, holder, holderSince, hosts, token }: HeldLease): Lease {
  return { requestId, holder, holderSince, hosts, token };
}

type Place = Omit<Waiting, keyof LeaseRequest>;

function findReplaced(
  state: PoolState,
  { replaces, holder }: LeaseRequest,
  nowMs: number,
): Place | undefined {
  const lease = state.leases.find((one) => one.requestId === replaces && one.holder === holder);
  if (lease !== undefined) {
    const { rank, arrivedAt, hosts, asked } = lease;
    return {
      rank,
      arrivedAt,
      before: hosts,
      waitingSince: nowMs,
      ...(asked === undefined && { keepsPlace: true }),
    };
  }
  const waiting = state.queue.find((one) => one.requestId === replaces && one.holder === holder);
  return waiting && placeOf(waiting);
}

/** All that a request does not say itself. */
function placeOf({ arrivedAt, waitingSince, rank, keepsPlace, claims, before }: Waiting): Place {
  return {
    ...{ arrivedAt, waitingSince },
    ...(rank !== undefined && { rank }),
    ...(keepsPlace && { keepsPlace }),
    ...(claims && { claims }),
    ...(before && { before }),
  };
}
