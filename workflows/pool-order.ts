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

/**
 * By effective priority, then as they came. A gang that lost a host goes before all that could not have made it yield,
 * and a request for whose sake others were asked to yield before all that could not have asked them, however long these
 * have waited.
 */
export function inOrder({ queue, settings }: PoolState, nowMs: number): readonly Ranked[] {
  const own = queue.map((request) => ({
    request,
    rank: effectivePriority(request, settings.ageAfterMs, nowMs),
  }));
  const places = new Map(
    own.map((one) => {
      const passed = isMoved(one.request) ? own.filter((other) => canPass(one, levelOf(other))) : [];
      return [one.request, Math.max(one.rank, ...passed.map(({ rank }) => rank))];
    }),
  );
  const place = ({ request }: Ranked) => places.get(request) ?? 0;
  const level = (one: Ranked) => (isMoved(one.request) ? levelOf(one).level : -Infinity);
  return own.sort(
    (a, b) =>
      place(b) - place(a) ||
      level(b) - level(a) ||
      Number(b.request.keepsPlace ?? false) - Number(a.request.keepsPlace ?? false) ||
      a.request.arrivedAt - b.request.arrivedAt,
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

function isMoved({ keepsPlace, preempts }: Waiting): boolean {
  return keepsPlace === true || preempts === true;
}

/** All requests, first ones first. One pass is enough: what is granted only takes away from those that come after. */
export function judge(state: PoolState, nowMs: number): readonly Judged[] {
  const free = freeGpus(state);
  const wantedBy = new Map<string, string>();
  const overQuota = new Set<string>();
  const teams = gpusByTeam(state);

  return inOrder(state, nowMs).map(({ request }) => ({ request, verdict: verdictOf(request) }));

  function verdictOf(request: Waiting): Verdict {
    const { requestId, hosts, gpusPerHost } = request;
    const suitable = suitableHosts(state, request);
    if (suitable.length < hosts) return { kind: 'no hosts' };
    if (isOverQuota(request)) return { kind: 'quota' };
    const open = suitable.filter(({ name }) => isOpen(name, gpusPerHost) && !wantedBy.has(name));
    if (open.length < hosts) {
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
