/**
 * @module Which holders are asked to yield: for a more urgent request, and for a host that is drained. Pure.
 */
import type { YieldRequest } from '../../contracts/pool.ts';
import { freeGpus, suitableHosts } from './pool-hosts.ts';
import { judge } from './judge-requests.ts';
import { canPass, effectivePriority, higher, levelOf, type Level, type Ranked } from './pool-order.ts';
import { isPending, type HeldLease, type PoolState, type Waiting } from './pool-state.ts';

export interface Ask {
  readonly holder: string;
  readonly ask: YieldRequest;
}

/** Whom to ask now; they are marked as asked, so that each is asked once, and again only when it does not answer. */
export function askToYield(
  state: PoolState,
  nowMs: number,
): { readonly state: PoolState; readonly asks: readonly Ask[] } {
  const forHosts = mark(state, drained(state), nowMs);
  const forAll = mark(forHosts, preempted(forHosts, nowMs), nowMs);
  const asks = forAll.leases.flatMap(({ holder, requestId, asked }, index) => {
    if (asked === undefined || asked === state.leases[index]?.asked) return [];
    return [{ holder, ask: { requestId, why: asked.why, withinMs: state.settings.yieldWithinMs } }];
  });
  const free = freeGpus(state);
  return {
    state: {
      ...forAll,
      leases: forAll.leases.map((lease) => unmarkLate(state, lease, nowMs)),
      queue: forAll.queue.map((one) => withClaims(forAll, one, free)),
    },
    asks,
  };
}

/** What is freed for a request is its own; what it could have had before is not. */
function withClaims({ leases }: PoolState, request: Waiting, free: ReturnType<typeof freeGpus>): Waiting {
  const { requestId, gpusPerHost, claims = [] } = request;
  const freed = leases
    .filter(({ asked }) => asked?.sakeOf === requestId)
    .flatMap(({ hosts }) => hosts.map(({ name }) => name))
    .filter((name) => !claims.includes(name) && (free.get(name)?.length ?? 0) < gpusPerHost);
  return freed.length === 0 ? request : { ...request, claims: [...new Set([...claims, ...freed])].sort() };
}

function mark(state: PoolState, wishes: readonly Wish[], at: number): PoolState {
  const leases = state.leases.map((lease) => {
    const wish = isPending(state, lease, at) ? undefined : wishes.find((one) => one.lease === lease);
    return wish === undefined ? lease : { ...lease, asked: { at, why: wish.why, sakeOf: wish.sakeOf } };
  });
  return { ...state, leases };
}

/** It did not answer in time, and no one wants it any more. */
function unmarkLate(state: PoolState, lease: HeldLease, nowMs: number): HeldLease {
  if (lease.asked === undefined || isPending(state, lease, nowMs)) return lease;
  const { asked, ...rest } = lease;
  return rest;
}

/** Someone was asked and has not answered yet. */
export function someoneIsAsked({ leases }: PoolState): boolean {
  return leases.some(({ asked }) => asked !== undefined);
}

interface Wish {
  readonly lease: HeldLease;
  readonly sakeOf: string;
  readonly why: string;
}

function drained({ hosts, leases }: PoolState): readonly Wish[] {
  return hosts.flatMap(({ name, draining, leaving }) => {
    const reason = leaving ?? draining?.why;
    if (reason === undefined) return [];
    const why = `${name} is drained: ${reason}`;
    return leases
      .filter(({ hosts: held }) => held.some((host) => host.name === name))
      .map((lease) => ({ lease, sakeOf: name, why }));
  });
}

/**
 * For the first blocked request that others can be asked for, and for no other. Requests before it that only their age
 * puts there do not stand in its way: what is freed for it is its own (`claims`). A request asks no one while another
 * one of at least its priority waits for answers.
 */
function preempted(state: PoolState, nowMs: number): readonly Wish[] {
  const free = freeGpus(state);
  const lowest = Math.min(...state.leases.map(({ rank }) => rank));
  const pending = state.leases.filter((lease) => isPending(state, lease, nowMs));
  const awaited = new Set(pending.map(({ asked }) => asked?.sakeOf));
  const asking = state.queue.filter(({ requestId }) => awaited.has(requestId));
  const mostUrgent = Math.max(...asking.map(({ priority = 0 }) => priority));
  const sooner = new Map<string, Level>();
  for (const { request, verdict } of judge(state, nowMs)) {
    if (verdict.kind !== 'blocked') continue;
    const { requestId, holder, priority = 0 } = request;
    if (awaited.has(requestId)) return [];
    const one = { request, rank: effectivePriority(request, state.settings.ageAfterMs, nowMs) };
    const mayAsk = priority > lowest && priority > mostUrgent;
    const room = mayAsk ? roomFor(state, one, free, sooner) : undefined;
    const chosen = room === undefined ? [] : leastUrgent(state, request, room, nowMs);
    const why = `${holder} is more urgent (priority ${priority})`;
    if (chosen.length > 0) return chosen.map((lease) => ({ lease, sakeOf: requestId, why }));
    for (const { name } of suitableHosts(state, request))
      sooner.set(name, higher(sooner.get(name), levelOf(one)));
  }
  return [];
}

/** The fewest and least urgent leases whose end would let the request be granted; none where that would take more urgent ones. */
function leastUrgent(state: PoolState, request: Waiting, room: Room, nowMs: number): readonly HeldLease[] {
  for (const lease of state.leases) if (isPending(state, lease, nowMs)) room.add(lease);
  if (room.isEnough()) return [];
  const candidates = state.leases
    .filter((lease) => lease.rank < (request.priority ?? 0) && !isPending(state, lease, nowMs))
    .filter((lease) => room.concerns(lease))
    .sort(
      (a, b) =>
        Number(b.asked !== undefined) - Number(a.asked !== undefined) || a.rank - b.rank || b.token - a.token,
    );
  const chosen: HeldLease[] = [];
  for (const lease of candidates) {
    if (room.isEnough()) break;
    room.add(lease);
    chosen.push(lease);
  }
  if (!room.isEnough()) return [];
  return chosen.toReversed().filter((lease) => {
    room.remove(lease);
    if (room.isEnough()) return false;
    room.add(lease);
    return true;
  });
}

type Room = ReturnType<typeof roomFor>;

/**
 * Free GPUs on the hosts that suit a request, as leases are thought away. Not counted are hosts that are wanted by a sooner
 * request which cannot be passed, and those that another sooner one could have as they are.
 *
 * @param sooner Of the blocked requests that come before it, the most that must be passed, by host.
 */
function roomFor(
  state: PoolState,
  { request, rank }: Ranked,
  free: ReadonlyMap<string, readonly number[]>,
  sooner: ReadonlyMap<string, Level>,
) {
  const room = new Map<string, number>();
  for (const { name } of suitableHosts(state, request)) {
    const level = sooner.get(name);
    const there = free.get(name)?.length ?? 0;
    const isOwn = level === undefined || request.claims?.includes(name) === true;
    if (level !== undefined && !canPass({ request, rank }, level)) continue;
    if (isOwn || there < request.gpusPerHost) room.set(name, there);
  }
  const count = ({ hosts }: HeldLease, sign: number) => {
    for (const { name, gpus, gpuIndices } of hosts) {
      const before = room.get(name);
      if (before !== undefined) room.set(name, before + sign * (gpuIndices?.length ?? gpus));
    }
  };
  return {
    add: (lease: HeldLease) => count(lease, 1),
    remove: (lease: HeldLease) => count(lease, -1),
    concerns: ({ hosts }: HeldLease) => hosts.some(({ name }) => room.has(name)),
    isEnough: () => [...room.values()].filter((gpus) => gpus >= request.gpusPerHost).length >= request.hosts,
  };
}
