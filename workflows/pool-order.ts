/**
 * @module Who comes first, and what becomes of each request: granted, or waiting for what. Pure.
 *
 * A request that the pool's hosts could serve, and cannot now, wants every host that would suit it. Nobody knows how
 * long a lease lasts, so what comes after it gets only GPUs that no such request could use: nothing delays the head.
 */
import type { LeasedHost } from '../contracts/pool.ts';
import { freeGpus, suitableHosts } from './pool-hosts.ts';
import type { PoolHost, PoolState, Waiting } from './pool-state.ts';

export interface Judged {
  readonly request: Waiting;
  readonly verdict: Verdict;
}

export type Verdict =
  | { readonly kind: 'granted'; readonly hosts: readonly LeasedHost[] }
  /** The hosts that there are could never serve it: it holds up nobody. */
  | { readonly kind: 'no hosts' }
  /** It holds up its own team alone. */
  | { readonly kind: 'quota' }
  /** `open` hosts could be had now; some that are free are wanted by `behind`. */
  | { readonly kind: 'blocked'; readonly open: number; readonly behind: string | undefined };

/** How histories were decided that began before hosts could be shared. */
export interface FirstRules {
  readonly wholeHosts?: boolean;
  readonly noBackfill?: boolean;
  readonly oneByOne?: boolean;
}

/** Priority, and one more for each `ageAfterMs` of waiting, so that everybody's turn comes. */
export function effectivePriority(
  { priority = 0, waitingSince, rank }: Waiting,
  ageAfterMs: number,
  nowMs: number,
): number {
  const aged = priority + Math.floor(Math.max(0, nowMs - waitingSince) / ageAfterMs);
  return Math.max(aged, rank ?? aged);
}

export interface Ranked {
  readonly request: Waiting;
  readonly rank: number;
}

/** By effective priority, then as they came. */
export function inOrder({ queue, settings }: PoolState, nowMs: number): readonly Ranked[] {
  const own = queue.map((request) => ({
    request,
    rank: effectivePriority(request, settings.ageAfterMs, nowMs),
  }));
  // A gang that lost a host goes before all that could not have made it yield, however long these have waited.
  const placeOf = ({ request, rank }: Ranked) =>
    request.keepsPlace === true
      ? Math.max(
          ...own.filter((other) => (other.request.priority ?? 0) <= rank).map((other) => other.rank),
          rank,
        )
      : rank;
  const places = new Map(own.map((one) => [one.request, placeOf(one)]));
  const place = (request: Waiting) => places.get(request) ?? 0;
  return own.sort(
    ({ request: a }, { request: b }) =>
      place(b) - place(a) ||
      Number(b.keepsPlace ?? false) - Number(a.keepsPlace ?? false) ||
      a.arrivedAt - b.arrivedAt,
  );
}

/** All requests, first ones first. One pass is enough: what is granted only takes away from those that come after. */
export function judge(state: PoolState, nowMs: number, rules: FirstRules = {}): readonly Judged[] {
  const free = freeGpus(state);
  const wantedBy = new Map<string, string>();
  const overQuota = new Set<string>();
  const teams = gpusByTeam(state);
  let headIsBlocked = false;

  return inOrder(state, nowMs).map(({ request }) => ({ request, verdict: verdictOf(request) }));

  function verdictOf(request: Waiting): Verdict {
    const { requestId, hosts, gpusPerHost } = request;
    const suitable = suitableHosts(state, request);
    if (suitable.length < hosts) return { kind: 'no hosts' };
    if (isOverQuota(request)) return { kind: 'quota' };
    const open = suitable.filter(({ name }) => isOpen(name, gpusPerHost) && !wantedBy.has(name));
    if (open.length < hosts || (headIsBlocked && rules.noBackfill === true)) {
      headIsBlocked = true;
      const behind = suitable.find(({ name }) => isOpen(name, gpusPerHost) && wantedBy.has(name));
      const verdict = {
        kind: 'blocked',
        open: open.length,
        behind: behind && wantedBy.get(behind.name),
      } as const;
      for (const { name } of suitable) if (!wantedBy.has(name)) wantedBy.set(name, requestId);
      // What it will need of its quota is no longer there for those of its team that come after.
      countFor(request);
      return verdict;
    }
    const chosen = choose(request, open).map((host) => lend(host, request));
    countFor(request);
    return { kind: 'granted', hosts: chosen };
  }

  function countFor({ team, hosts, gpusPerHost }: Waiting): void {
    if (team !== undefined) teams.set(team, (teams.get(team) ?? 0) + hosts * gpusPerHost);
  }

  function isOpen(name: string, gpusPerHost: number): boolean {
    const there = free.get(name)?.length ?? 0;
    if (rules.wholeHosts === true)
      return there === (state.hosts.find((host) => host.name === name)?.gpus ?? 0);
    return there >= gpusPerHost;
  }

  /** A team's first request that does not fit its quota is not passed by the team's own smaller ones for ever. */
  function isOverQuota({ team, hosts, gpusPerHost }: Waiting): boolean {
    const quota = quotaOf(state, team);
    if (team === undefined || quota === undefined) return false;
    const wanted = hosts * gpusPerHost;
    if (wanted > quota) return true;
    if (!overQuota.has(team) && (teams.get(team) ?? 0) + wanted <= quota) return false;
    overQuota.add(team);
    return true;
  }

  /** Not those that have just failed; those that it had before; then the fullest that will do. */
  function choose({ avoid, before = [], hosts }: Waiting, open: readonly PoolHost[]): readonly PoolHost[] {
    const had = before.map(({ name }) => name).filter((name) => !avoid.includes(name));
    const keys = ({ name }: PoolHost) => [
      Number(avoid.includes(name)),
      had.includes(name) ? had.indexOf(name) : had.length,
      rules.wholeHosts === true ? 0 : (free.get(name)?.length ?? 0),
    ];
    return open
      .map((host) => ({ host, keys: keys(host) }))
      .sort((a, b) => a.keys.map((key, index) => key - (b.keys[index] ?? 0)).find((d) => d !== 0) ?? 0)
      .slice(0, hosts)
      .map(({ host }) => host);
  }

  function lend(host: PoolHost, { gpusPerHost, before = [] }: Waiting): LeasedHost {
    const { name, gpus, address } = host;
    const there = free.get(name) ?? [];
    const had = new Set(before.find((one) => one.name === name)?.gpuIndices ?? []);
    const again = there.filter((index) => had.has(index));
    const indices = [...again, ...there.filter((index) => !had.has(index))]
      .slice(0, rules.wholeHosts === true ? gpus : gpusPerHost)
      .sort((a, b) => a - b);
    free.set(
      name,
      there.filter((index) => !indices.includes(index)),
    );
    return {
      ...{ name, gpus, address },
      ...(host.gpuMemoryMiB !== undefined && { gpuMemoryMiB: host.gpuMemoryMiB }),
      ...(host.labels && { labels: host.labels }),
      ...(host.pretend && { pretend: host.pretend }),
      ...(rules.wholeHosts !== true && { gpuIndices: indices }),
    };
  }
}

export function quotaOf({ settings }: PoolState, team: string | undefined): number | undefined {
  if (team === undefined || !Object.hasOwn(settings.quotas, team)) return undefined;
  return settings.quotas[team];
}

export function gpusByTeam({ leases }: PoolState): Map<string, number> {
  const teams = new Map<string, number>();
  for (const { team, hosts } of leases) {
    if (team === undefined) continue;
    const gpus = hosts.reduce((sum, host) => sum + (host.gpuIndices?.length ?? host.gpus), 0);
    teams.set(team, (teams.get(team) ?? 0) + gpus);
  }
  return teams;
}
