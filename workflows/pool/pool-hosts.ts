/**
 * @module The hosts of a pool: who is there, who is set aside and why, and which GPUs are free. Pure.
 */
import type { Host, HostBlame, HostOrder, LeaseRequest } from '../../contracts/pool.ts';
import { meets } from '../../contracts/host-needs.ts';
import type { HeldLease, PoolHost, PoolState } from './pool-state.ts';

const DAY_MS = 86_400_000;

/** A host that is gone for so long, and of which nothing is known but its name, is forgotten. */
const FORGET_AFTER_MS = 7 * DAY_MS;

/** More of them say nothing new, and anyone may blame. */
const MAX_STRIKES = 20;
const LONGEST_REASONS = 4000;

/** What the pool knows of the host stays; what its worker says of it is new. */
export function joinHost(state: PoolState, host: Host): PoolState {
  const { quarantined, cordoned, draining, strikes, letGo } = findHost(state, host.name) ?? {};
  const joined: PoolHost = {
    ...host,
    present: true,
    ...(quarantined && { quarantined }),
    ...(cordoned && { cordoned }),
    ...(draining && { draining }),
    ...(strikes && { strikes }),
    ...(letGo && { letGo }),
  };
  const others = state.hosts.filter(({ name }) => name !== host.name);
  return { ...state, hosts: [...others, joined].sort(byName) };
}

/**
 * Why this worker cannot have the host now: another machine has it, or a newer worker of the same machine. Undefined
 * when it can. A worker that is gone has nothing.
 */
export function refusalOfJoin(state: PoolState, { name, place, workerSince = 0 }: Host): string | undefined {
  const known = findHost(state, name);
  if (known?.present !== true || known.place === undefined) return undefined;
  // Also where it does not say which machine it is: all workers do.
  if (known.place !== place) return `another machine is in the pool as '${name}', at ${known.address}`;
  if (workerSince < (known.workerSince ?? 0)) return `a newer worker of this machine has '${name}'`;
  return undefined;
}

/** Its worker said goodbye. Its leases stay: not to be seen is no proof that its trainer has ended. */
export function leaveHost(state: PoolState, name: string, nowMs: number): PoolState {
  return change(state, name, (host) => ({ ...host, present: false, absentSince: nowMs }));
}

/** It was not heard of any more. While it was leased, that is a strike. */
export function loseHost(state: PoolState, name: string, nowMs: number): PoolState {
  const holders = leasesOn(state, name).map(({ holder }) => holder);
  const left = leaveHost(state, name, nowMs);
  if (holders.length === 0) return left;
  return strike(left, name, `lost while it was leased to ${holders.join(', ')}`, nowMs);
}

/** A holder blames a host. One that the pool does not know is no one's. */
export function blameHost(state: PoolState, { host, holder, reason, weight }: HostBlame, nowMs: number) {
  const said = `${reason} (${holder})`;
  if (weight === 'counts') return strike(state, host, said, nowMs);
  return change(state, host, (known) => ({ quarantined: { reason: said, since: nowMs }, ...known }));
}

function strike(state: PoolState, name: string, reason: string, at: number): PoolState {
  return change(state, name, (host) => {
    const kept = Math.max(MAX_STRIKES, state.settings.strikes);
    const recent = (host.strikes ?? []).filter((one) => at - one.at < DAY_MS).slice(1 - kept);
    const strikes = [...recent, { at, reason }];
    const reasons = strikes
      .map((one) => one.reason)
      .join('; ')
      .slice(0, LONGEST_REASONS);
    const quarantined = { reason: `${strikes.length} failures in a day: ${reasons}`, since: at };
    return {
      ...host,
      strikes,
      ...(strikes.length >= state.settings.strikes && { quarantined: host.quarantined ?? quarantined }),
    };
  });
}

export function cordonHost(state: PoolState, { host, by, why }: HostOrder, nowMs: number): PoolState {
  return change(state, host, (known) => ({ ...known, cordoned: { by, why, since: nowMs } }));
}

export function drainHost(state: PoolState, { host, by, why }: HostOrder, nowMs: number): PoolState {
  return change(state, host, ({ letGo, ...known }) => ({ ...known, draining: { by, why, since: nowMs } }));
}

export function uncordonHost(state: PoolState, { host }: HostOrder): PoolState {
  return change(state, host, ({ cordoned, draining, letGo, ...known }) => known);
}

export function clearHost(state: PoolState, { host }: HostOrder): PoolState {
  return change(state, host, ({ quarantined, strikes, ...known }) => known);
}

/** Hosts whose workers may leave: they are there to be drained, and no one holds them any more. */
export function hostsToLetGo(state: PoolState): readonly string[] {
  return state.hosts
    .filter(({ present, leaving, draining, letGo }) => present && (leaving ?? (draining && !letGo)))
    .filter(({ name }) => leasesOn(state, name).length === 0)
    .map(({ name }) => name);
}

export function letHostGo(state: PoolState, name: string): PoolState {
  return change(state, name, (host) => ({ ...host, ...(host.draining && { letGo: true }) }));
}

/** Clouds give their hosts new names each time: a pool of years must not remember them all. */
export function forgetHosts(state: PoolState, nowMs: number): PoolState {
  const hosts = state.hosts.filter(
    (host) =>
      host.present ||
      nowMs - (host.absentSince ?? nowMs) < FORGET_AFTER_MS ||
      (host.quarantined ?? host.cordoned ?? host.draining) !== undefined ||
      leasesOn(state, host.name).length > 0,
  );
  return hosts.length === state.hosts.length ? state : { ...state, hosts };
}

export function findHost(state: PoolState, name: string): PoolHost | undefined {
  return state.hosts.find((host) => host.name === name);
}

export function leasesOn(state: PoolState, name: string): readonly HeldLease[] {
  return state.leases.filter(({ hosts }) => hosts.some((host) => host.name === name));
}

/** New work may be given to it. */
export function isUsable(host: PoolHost): boolean {
  return host.present && (host.quarantined ?? host.cordoned ?? host.draining ?? host.leaving) === undefined;
}

export function suitableHosts(state: PoolState, request: LeaseRequest): readonly PoolHost[] {
  return state.hosts.filter((host) => isUsable(host) && meets(host, request));
}

/** By host, the indices of the GPUs that no one holds. */
export function freeGpus(state: PoolState): Map<string, readonly number[]> {
  const free = new Map<string, readonly number[]>(
    state.hosts.map(({ name, gpus }) => [name, Array.from({ length: gpus }, (_, index) => index)]),
  );
  for (const { hosts } of state.leases)
    for (const { name, gpuIndices } of hosts) {
      const before = free.get(name);
      if (before === undefined) continue;
      const taken = new Set(gpuIndices ?? before);
      free.set(
        name,
        before.filter((index) => !taken.has(index)),
      );
    }
  return free;
}

/** Not localeCompare: workers with different languages would replay the same history to different grants. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function change(state: PoolState, name: string, make: (host: PoolHost) => PoolHost): PoolState {
  return { ...state, hosts: state.hosts.map((host) => (host.name === name ? make(host) : host)) };
}
