/**
 * @module Who comes first, and what becomes of each request: granted, or waiting for what. Pure.
 *
 * A request that the pool's hosts could serve, and cannot now, wants every host that would suit it. Nobody knows how
 * long a lease lasts, so what comes after it gets only GPUs that no such request could use: nothing delays the head.
 */
import type { LeasedHost } from '../../contracts/pool.ts';
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

/** What another request must be more urgent than to go before a request: age alone makes nobody yield. */
export interface Level {
  readonly level: number;
  /** Its own priority, without what it held and its age. */
  readonly priority: number;
}

export function levelOf({ request, rank }: Ranked): Level {
  const { priority = 0, keepsPlace } = request;
  return { level: keepsPlace === true ? rank : priority, priority };
}

/** Whether a request may get what is freed for it before another one that its effective priority puts first. */
export function canPass({ request, rank }: Ranked, other: Level): boolean {
  return other.level < (request.priority ?? 0) || (request.keepsPlace === true && other.priority <= rank);
}

/** The more of both. */
export function higher(a: Level | undefined, b: Level): Level {
  if (a === undefined) return b;
  return { level: Math.max(a.level, b.level), priority: Math.max(a.priority, b.priority) };
}

/** The most urgent claim on each host that suits it. A request that could not be served, or is over its quota, has none. */
function claimsOf(state: PoolState): Map<string, Claim> {
  const claims = new Map<string, Claim>();
  const teams = gpusByTeam(state);
  for (const { claims: own, ...request } of state.queue) {
    const { requestId, priority = 0, hosts, gpusPerHost, team = '' } = request;
    if (own === undefined) continue;
    const suitable = suitableHosts(state, request);
    const quota = quotaOf(state, team) ?? Infinity;
    if (suitable.length < hosts || (teams.get(team) ?? 0) + hosts * gpusPerHost > quota) continue;
    for (const { name } of suitable)
      if (own.includes(name) && priority > (claims.get(name)?.priority ?? -Infinity))
        claims.set(name, { requestId, priority });
  }
  return claims;
}

interface Claim {
  readonly requestId: string;
  readonly priority: number;
}

/** All requests, first ones first. What is granted takes away from those that come after. */
export function judge(state: PoolState, nowMs: number): readonly Judged[] {
  const free = freeGpus(state);
  const wantedBy = new Map<string, string>();
  const overQuota = new Set<string>();
  const teams = gpusByTeam(state);
  /** Of those that want a host, what another one must pass. */
  const levels = new Map<string, Level>();
  const claimedBy = claimsOf(state);

  return inOrder(state, nowMs).map((one) => ({ request: one.request, verdict: verdictOf(one) }));

  function verdictOf(one: Ranked): Verdict {
    const { request } = one;
    const { requestId, hosts, gpusPerHost } = request;
    const suitable = suitableHosts(state, request);
    if (suitable.length < hosts) return { kind: 'no hosts' };
    if (isOverQuota(request)) return { kind: 'quota' };
    const open = suitable.filter(({ name }) => isOpen(name, gpusPerHost) && otherOn(name, one) === undefined);
    if (open.length < hosts) {
      const [behind] = suitable.flatMap(({ name }) =>
        isOpen(name, gpusPerHost) ? (otherOn(name, one) ?? []) : [],
      );
      const verdict = { kind: 'blocked', open: open.length, behind } as const;
      for (const { name } of suitable) {
        if (!wantedBy.has(name)) wantedBy.set(name, requestId);
        levels.set(name, higher(levels.get(name), levelOf(one)));
      }
      // What it will need of its quota is no longer there for those of its team that come after.
      countFor(request);
      return verdict;
    }
    const chosen = choose(request, open).map((host) => lend(host, request));
    countFor(request);
    return { kind: 'granted', hosts: chosen };
  }

  /** Who is to have what is free on a host before this request. */
  function otherOn(name: string, one: Ranked): string | undefined {
    const claim = claimedBy.get(name);
    const isOwn = one.request.claims?.includes(name) === true;
    if (!isOwn && claim !== undefined && levelOf(one).level < claim.priority) return claim.requestId;
    const level = levels.get(name);
    if (level === undefined || (isOwn && canPass(one, level))) return undefined;
    return wantedBy.get(name);
  }

  function countFor({ team, hosts, gpusPerHost }: Waiting): void {
    if (team !== undefined) teams.set(team, (teams.get(team) ?? 0) + hosts * gpusPerHost);
  }

  function isOpen(name: string, gpusPerHost: number): boolean {
    return (free.get(name)?.length ?? 0) >= gpusPerHost;
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
      free.get(name)?.length ?? 0,
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
      .slice(0, gpusPerHost)
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
      ...(host.place !== undefined && { place: host.place }),
      gpuIndices: indices,
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
