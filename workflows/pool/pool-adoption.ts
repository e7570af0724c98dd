/**
 * @module What a pool that was started again learns of leases that it does not know: from their holders, and from the
 * hosts on which they are in use. Pure.
 */
import { isCredibleToken } from '../../contracts/pool-messages.ts';
import type { HostJoin, Lease, LeaseAccount, LeasedHost } from '../../contracts/pool.ts';
import { asToldToHolder, enqueue } from './pool-ledger.ts';
import type { HeldLease, PoolState } from './pool-state.ts';

/** `adopted` are to be told to their holders: one that does not hold such a lease gives it back. */
export interface Adoption {
  readonly state: PoolState;
  readonly adopted: readonly Lease[];
}

/** What the holders say that they have and want. Their requests are enqueued again. */
export function adoptAccounts(state: PoolState, accounts: readonly LeaseAccount[], nowMs: number): Adoption {
  let adoption: Adoption = { state, adopted: [] };
  for (const { held, priority, team } of accounts)
    if (held !== null)
      adoption = adoptAccount(
        adoption,
        { ...held, rank: priority, ...(team !== undefined && { team }) },
        nowMs,
      );
  for (const { request } of accounts)
    if (request !== null) adoption = { ...adoption, state: enqueue(adoption.state, request, nowMs) };
  return adoption;
}

/** The leases under which something lives on a host that joins. */
export function adoptJobs(state: PoolState, { jobs = [], ...host }: HostJoin, nowMs: number): Adoption {
  let adoption: Adoption = { state, adopted: [] };
  for (const { holder, requestId, token, gpuIndices } of jobs) {
    const { name, gpus, address, place } = host;
    const indices = gpuIndices ?? allOf(gpus);
    const hosts: readonly LeasedHost[] = [
      { name, gpus, address, ...(place !== undefined && { place }), gpuIndices: indices },
    ];
    // It was granted after its holder was started, at the time that its token names.
    const holderSince = Math.min(token, nowMs);
    adoption = adopt(adoption, { requestId, holder, holderSince, hosts, token, rank: 0 }, nowMs);
  }
  return adoption;
}

/** The holder knows more than the hosts that told before it: its priority, its team, and the order of its hosts. */
function adoptAccount({ state, adopted }: Adoption, lease: Told, nowMs: number): Adoption {
  const isTold = (one: HeldLease) => one.requestId === lease.requestId && one.adopted === true;
  const leases = state.leases.map((one) => (isTold(one) ? { ...one, ...lease, hosts: [] } : one));
  return adopt({ state: { ...state, leases }, adopted }, lease, nowMs);
}

type Told = Lease & Pick<HeldLease, 'rank' | 'team'>;

function adopt({ state, adopted }: Adoption, lease: Told, nowMs: number): Adoption {
  const lastToken = isCredibleToken(lease.token, nowMs)
    ? Math.max(state.lastToken, lease.token)
    : state.lastToken;
  const known = state.leases.find(({ requestId }) => requestId === lease.requestId);
  // A pool knows all of a lease that it granted itself.
  if (known !== undefined && known.adopted !== true) return { state: { ...state, lastToken }, adopted };
  const grantedAt = Math.min(lease.token, nowMs);
  const before = known?.hosts ?? [];
  const more = lease.hosts.filter(({ name }) => !before.some((host) => host.name === name));
  const held: HeldLease = {
    ...{ arrivedAt: grantedAt, grantedAt, adopted: true },
    ...(known ?? lease),
    hosts: [...before, ...more],
  };
  const queue = state.queue.filter(({ requestId }) => requestId !== lease.requestId);
  const leases = newestFirst([...state.leases.filter((one) => one !== known), held], held.holder);
  const isKept = leases.some(({ requestId }) => requestId === held.requestId);
  return {
    state: { ...state, queue, leases, lastToken },
    adopted: known === undefined && isKept ? [...adopted, asToldToHolder(held)] : adopted,
  };
}

/**
 * A GPU belongs to the newest lease of its holder: it gave back the older one, and ends what lives under it. Adopted leases
 * lose such GPUs, whichever of the two was told first; without a host they are over.
 */
function newestFirst(leases: readonly HeldLease[], holder: string): readonly HeldLease[] {
  const own = leases.filter((lease) => lease.holder === holder);
  return leases.flatMap((lease) => {
    if (lease.holder !== holder || lease.adopted !== true) return [lease];
    const newer = own.filter(({ token }) => token > lease.token);
    const hosts = lease.hosts.flatMap((host) => {
      const taken = new Set(newer.flatMap((one) => gpusOn(one, host.name)));
      const left = gpusOn(lease, host.name).filter((index) => !taken.has(index));
      if (taken.size === 0) return [host];
      return left.length === 0 ? [] : [{ ...host, gpuIndices: left }];
    });
    return hosts.length === 0 ? [] : [{ ...lease, hosts }];
  });
}

function gpusOn({ hosts }: HeldLease, name: string): readonly number[] {
  const host = hosts.find((one) => one.name === name);
  return host === undefined ? [] : (host.gpuIndices ?? allOf(host.gpus));
}

function allOf(gpus: number): readonly number[] {
  return Array.from({ length: gpus }, (_, index) => index);
}
