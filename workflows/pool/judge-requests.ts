/**
 * @module What becomes of each request: granted, or waiting for what. Pure.
 *
 * A request that the pool's hosts could serve, and cannot now, wants every host that would suit it. How long a lease
 * lasts is not known, so later requests get only GPUs that no such request could use: nothing delays the first one.
 */
import type { LeasedHost } from '../../contracts/pool.ts';
import { freeGpus, suitableHosts } from './pool-hosts.ts';
import {
  canPass,
  gpusByTeam,
  higher,
  inOrder,
  levelOf,
  quotaOf,
  type Level,
  type Ranked,
} from './pool-order.ts';
import { isPending, type HeldLease, type PoolHost, type PoolState, type Waiting } from './pool-state.ts';

export interface Judged {
  readonly request: Waiting;
  readonly verdict: RequestVerdict;
}

export type RequestVerdict =
  | { readonly kind: 'granted'; readonly hosts: readonly LeasedHost[] }
  /** The hosts that there are could never serve it: it holds up no one. */
  | { readonly kind: 'no hosts' }
  /** It holds up its own team alone. */
  | { readonly kind: 'quota' }
  /** `free` hosts have enough GPUs, `open` of them could be had now; the others are wanted by `behind`. */
  | {
      readonly kind: 'blocked';
      readonly free: number;
      readonly open: number;
      readonly behind: string | undefined;
    };

/** All requests, first ones first. What is granted takes away from those that come after. */
export function judge(state: PoolState, nowMs: number): readonly Judged[] {
  const ranked = inOrder(state, nowMs);
  const inVain = new Set<string>();
  for (;;) {
    const judgement = new Judgement(state, claimsOf(state, inVain));
    const judged = ranked.map((one) => ({ request: one.request, verdict: judgement.of(one) }));
    const more = judged.filter(
      (one) => !inVain.has(one.request.requestId) && claimsInVain(state, one, nowMs),
    );
    if (more.length === 0) return judged;
    for (const { request } of more) inVain.add(request.requestId);
  }
}

/**
 * Whether a request has claims, and waits for other requests only. Three requests could otherwise wait for each other:
 * the first by age for the second's claims, the second for the third's priority or for a quota that they share, and the
 * third for the first. Without the second's claims the first is served, so a pool without leases always grants something.
 */
function claimsInVain(state: PoolState, { request, verdict }: Judged, nowMs: number): boolean {
  if (request.claims === undefined || verdict.kind === 'granted') return false;
  if (verdict.kind === 'blocked' && verdict.free < request.hosts) return false;
  const suitable = new Set(suitableHosts(state, request).map(({ name }) => name));
  const isAwaited = (lease: HeldLease) =>
    isPending(state, lease, nowMs) && lease.hosts.some(({ name }) => suitable.has(name));
  return !state.leases.some(isAwaited);
}

/** What is left for the next request, after those that come before it. */
class Judgement {
  readonly #state: PoolState;
  readonly #free: Map<string, readonly number[]>;
  readonly #teams: Map<string, number>;
  readonly #claimedBy: ReadonlyMap<string, Claim>;
  readonly #overQuota = new Set<string>();
  /** The first request that wants a host and waits. */
  readonly #wantedBy = new Map<string, string>();
  /** Of those that want a host: what another request must pass. */
  readonly #levels = new Map<string, Level>();

  constructor(state: PoolState, claimedBy: ReadonlyMap<string, Claim>) {
    this.#state = state;
    this.#free = new Map(freeGpus(state));
    this.#teams = gpusByTeam(state);
    this.#claimedBy = claimedBy;
  }

  of(one: Ranked): RequestVerdict {
    const { request } = one;
    const { hosts, gpusPerHost } = request;
    const suitable = suitableHosts(this.#state, request);
    if (suitable.length < hosts) return { kind: 'no hosts' };
    if (this.#isOverQuota(request)) return { kind: 'quota' };
    const free = suitable.filter(({ name }) => this.#freeOn(name).length >= gpusPerHost);
    const open = free.filter(({ name }) => this.#otherOn(name, one) === undefined);
    // What a request waits for counts as well: the rest of its team must not use up its quota.
    this.#countFor(request);
    if (open.length >= hosts) {
      const granted = choose(request, open, (name) => this.#freeOn(name).length);
      return { kind: 'granted', hosts: granted.map((host) => this.#lend(host, request)) };
    }
    const [behind] = free.flatMap(({ name }) => this.#otherOn(name, one) ?? []);
    this.#reserve(one, suitable);
    return { kind: 'blocked', free: free.length, open: open.length, behind };
  }

  #reserve(one: Ranked, suitable: readonly PoolHost[]): void {
    for (const { name } of suitable) {
      if (!this.#wantedBy.has(name)) this.#wantedBy.set(name, one.request.requestId);
      this.#levels.set(name, higher(this.#levels.get(name), levelOf(one)));
    }
  }

  /** The request that is to have what is free on a host before this one. */
  #otherOn(name: string, one: Ranked): string | undefined {
    const claim = this.#claimedBy.get(name);
    const isOwn = one.request.claims?.includes(name) === true;
    if (!isOwn && claim !== undefined && levelOf(one).level < claim.priority) return claim.requestId;
    const level = this.#levels.get(name);
    if (level === undefined || (isOwn && canPass(one, level))) return undefined;
    return this.#wantedBy.get(name);
  }

  #countFor({ team, hosts, gpusPerHost }: Waiting): void {
    if (team !== undefined) this.#teams.set(team, (this.#teams.get(team) ?? 0) + hosts * gpusPerHost);
  }

  #freeOn(name: string): readonly number[] {
    return this.#free.get(name) ?? [];
  }

  /** A team's first request that does not fit its quota is not passed by the team's own smaller ones for ever. */
  #isOverQuota({ team, hosts, gpusPerHost }: Waiting): boolean {
    const quota = quotaOf(this.#state, team);
    if (team === undefined || quota === undefined) return false;
    const wanted = hosts * gpusPerHost;
    if (wanted > quota) return true;
    if (!this.#overQuota.has(team) && (this.#teams.get(team) ?? 0) + wanted <= quota) return false;
    this.#overQuota.add(team);
    return true;
  }

  /** The GPUs that the request had before where they are free, else those with the lowest indices. */
  #lend(host: PoolHost, { gpusPerHost, before = [] }: Waiting): LeasedHost {
    const { name, gpus, address } = host;
    const free = this.#freeOn(name);
    const had = new Set(before.find((one) => one.name === name)?.gpuIndices ?? []);
    const again = free.filter((index) => had.has(index));
    const indices = [...again, ...free.filter((index) => !had.has(index))]
      .slice(0, gpusPerHost)
      .sort((a, b) => a - b);
    this.#free.set(
      name,
      free.filter((index) => !indices.includes(index)),
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

/** Not those that have just failed; those that it had before; then the fullest that will do. */
function choose(
  { avoid, before = [], hosts }: Waiting,
  open: readonly PoolHost[],
  freeOn: (name: string) => number,
): readonly PoolHost[] {
  const had = before.map(({ name }) => name).filter((name) => !avoid.includes(name));
  const keys = ({ name }: PoolHost) => [
    Number(avoid.includes(name)),
    had.includes(name) ? had.indexOf(name) : had.length,
    freeOn(name),
  ];
  return open
    .map((host) => ({ host, keys: keys(host) }))
    .sort((a, b) => a.keys.map((key, index) => key - (b.keys[index] ?? 0)).find((d) => d !== 0) ?? 0)
    .slice(0, hosts)
    .map(({ host }) => host);
}

/**
 * The most urgent claim on each host that suits it. A request that could not be served, or is over its quota, has none.
 *
 * @param without Requests whose claims do not count.
 */
function claimsOf(state: PoolState, without: ReadonlySet<string>): ReadonlyMap<string, Claim> {
  const claims = new Map<string, Claim>();
  const teams = gpusByTeam(state);
  for (const { claims: own, ...request } of state.queue) {
    const { requestId, priority = 0, hosts, gpusPerHost, team = '' } = request;
    if (own === undefined || without.has(requestId)) continue;
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
