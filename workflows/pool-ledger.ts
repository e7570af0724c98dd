/**
 * @module Who has which hosts: the pool's decisions, pure, on plain JSON that crosses a continue-as-new.
 */
import type { Host, Lease, LeaseRequest, PoolView } from '../contracts/pool.ts';

export interface PoolState {
  readonly hosts: readonly (Host & { readonly present: boolean })[];
  readonly leases: readonly Lease[];
  /** Oldest first. */
  readonly queue: readonly LeaseRequest[];
  readonly lastToken: number;
}

export const emptyPool: PoolState = { hosts: [], leases: [], queue: [], lastToken: 0 };

export function joinHost(state: PoolState, host: Host): PoolState {
  const others = state.hosts.filter(({ name }) => name !== host.name);
  // Not localeCompare: workers with different languages would replay the same history to different grants.
  const hosts = [...others, { ...host, present: true }].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...state, hosts };
}

/** The host gets no new work. Its leases stay: not to be seen is no proof that its trainer has ended. */
export function loseHost(state: PoolState, name: string): PoolState {
  const hosts = state.hosts.map((host) => (host.name === name ? { ...host, present: false } : host));
  return { ...state, hosts };
}

/**
 * A request that is queued or granted already is not queued twice. The first one of a holder that was started anew
 * proves that its former self has ended: without this it would wait for hosts that a terminated one never returned.
 */
export function enqueue(state: PoolState, request: LeaseRequest): PoolState {
  const known = [...state.queue, ...state.leases].some(({ requestId }) => requestId === request.requestId);
  if (known) return state;
  const stands = ({ holder, holderSince }: LeaseRequest | Lease) =>
    holder !== request.holder || holderSince >= request.holderSince;
  const leases = state.leases.filter(stands);
  return { ...state, leases, queue: [...state.queue.filter(stands), request] };
}

export function release(state: PoolState, requestId: string): PoolState {
  return {
    ...state,
    queue: state.queue.filter((request) => request.requestId !== requestId),
    leases: state.leases.filter((lease) => lease.requestId !== requestId),
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
 * Grants the oldest request that the present hosts could serve, whole or not at all. A request that waits for busy
 * hosts is never overtaken; one that asks for more hosts than there are does not hold up the others.
 *
 * @param nowMs Floor of the token: tokens grow even when the pool lost its memory, as long as clocks do.
 */
export function grantNext(
  state: PoolState,
  nowMs: number,
): { readonly state: PoolState; readonly lease: Lease } | undefined {
  const request = state.queue.find((candidate) => suitable(state, candidate).length >= candidate.hosts);
  if (request === undefined) return undefined;
  const free = suitable(state, request).filter(({ name }) => leaseOf(state, name) === undefined);
  if (free.length < request.hosts) return undefined;
  const avoided = (host: Host) => Number(request.avoid.includes(host.name));
  const chosen = free.toSorted((a, b) => avoided(a) - avoided(b)).slice(0, request.hosts);
  const token = Math.max(state.lastToken + 1, nowMs);
  const lease: Lease = {
    requestId: request.requestId,
    holder: request.holder,
    holderSince: request.holderSince,
    hosts: chosen.map(({ name, gpus, address }) => ({ name, gpus, address })),
    token,
  };
  const queue = state.queue.filter(({ requestId }) => requestId !== request.requestId);
  return { state: { ...state, queue, leases: [...state.leases, lease], lastToken: token }, lease };
}

export function viewPool(state: PoolState): PoolView {
  const hosts = state.hosts.map((host) => ({ ...host, leasedTo: leaseOf(state, host.name)?.holder ?? null }));
  return { hosts, queue: state.queue };
}

function suitable(state: PoolState, request: LeaseRequest): PoolState['hosts'] {
  return state.hosts.filter((host) => host.present && host.gpus >= request.gpusPerHost);
}

function leaseOf(state: PoolState, host: string): Lease | undefined {
  return state.leases.find((lease) => lease.hosts.some(({ name }) => name === host));
}
