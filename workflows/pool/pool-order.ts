/** @module The order of requests: priority, age, and the place of a gang that lost a host. Pure. */
import type { PoolState, Waiting } from './pool-state.ts';

/** Priority, and one more for each `ageAfterMs` of waiting, so that everyone's turn comes. */
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

/** What another request must be more urgent than to go before a request: age alone makes no one yield. */
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
