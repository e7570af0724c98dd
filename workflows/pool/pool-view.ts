/**
 * @module The pool as people see it: conditions, free GPUs, the queue, and what each in it waits for, in words. Pure.
 */
import type { HostView, LeaseView, PoolView } from '../../contracts/pool-view.ts';
import { meets } from '../../contracts/host-needs.ts';
import { findHost, freeGpus, isUsable, leasesOn, suitableHosts } from './pool-hosts.ts';
import { judge, type Judged } from './judge-requests.ts';
import { effectivePriority, gpusByTeam, quotaOf } from './pool-order.ts';
import type { HeldLease, PoolHost, PoolState, Waiting } from './pool-state.ts';

export function viewPool(state: PoolState, nowMs: number): PoolView {
  const free = freeGpus(state);
  const { settings, problem } = state;
  return {
    hosts: state.hosts.map((host) => viewOf(state, host, free.get(host.name)?.length ?? 0)),
    queue: judge(state, nowMs).map((judged, index) => {
      const { before, rank, keepsPlace, claims, arrivedAt, waitingSince, ...request } = judged.request;
      return {
        ...request,
        position: index + 1,
        effectivePriority: effectivePriority(judged.request, settings.ageAfterMs, nowMs),
        waitedMs: Math.max(0, nowMs - waitingSince),
        waitsFor: waitsFor(state, judged),
      };
    }),
    settings,
    ...(problem !== undefined && { problem }),
  };
}

/** @throws when the pool does not know the host. */
export function viewHost(state: PoolState, name: string): HostView {
  const host = findHost(state, name);
  if (host === undefined) throw new Error(`the pool has no host '${name}'`);
  return viewOf(state, host, freeGpus(state).get(name)?.length ?? 0);
}

function viewOf(state: PoolState, host: PoolHost, free: number): HostView {
  const { letGo, absentSince, ...shown } = host;
  const leases = leasesOn(state, host.name).map((lease) => viewLease(lease, host));
  return { ...shown, usable: isUsable(host), freeGpus: free, leases, leasedTo: leases[0]?.holder ?? null };
}

function viewLease(
  { requestId, holder, hosts, grantedAt, rank, team, asked, adopted }: HeldLease,
  host: PoolHost,
): LeaseView {
  const all = Array.from({ length: host.gpus }, (_, index) => index);
  return {
    ...{ requestId, holder, since: grantedAt, priority: rank },
    gpuIndices: hosts.find(({ name }) => name === host.name)?.gpuIndices ?? all,
    ...(team !== undefined && { team }),
    ...(adopted && { adopted }),
    ...(asked && { askedToYield: { at: asked.at, why: asked.why } }),
  };
}

function waitsFor(state: PoolState, { request, verdict }: Judged): string {
  switch (verdict.kind) {
    case 'granted':
      return 'nothing: it is being granted';
    case 'quota':
      return quotaText(state, request);
    case 'no hosts':
      return lackText(state, request);
    case 'blocked': {
      const { hosts, gpusPerHost } = request;
      const lacking = hosts - verdict.open;
      if (lacking <= 0) return `its turn, after ${holderOf(state, verdict.behind)}`;
      const what = `${some(lacking, 'more host')} with ${gpus(gpusPerHost)}`;
      const before =
        verdict.behind === undefined ? '' : `; ${holderOf(state, verdict.behind)} comes before it`;
      return `${what}: ${holdersText(state, request)}${before}`;
    }
  }
}

function quotaText(state: PoolState, { team = '', hosts, gpusPerHost }: Waiting): string {
  const quota = quotaOf(state, team) ?? 0;
  const wanted = hosts * gpusPerHost;
  if (wanted > quota) return `team ${team} may hold ${gpus(quota)} at a time, and this asks for ${wanted}`;
  const held = gpusByTeam(state).get(team) ?? 0;
  const of = `its quota of ${gpus(quota)}`;
  if (held >= quota) return `team ${team} is at ${of}`;
  if (held + wanted <= quota) return `requests of team ${team} that come before it, which has ${of}`;
  return `team ${team} holds ${held} of ${of}, and this asks for ${wanted}`;
}

/** What the hosts that there are lack. */
function lackText(state: PoolState, request: Waiting): string {
  const { needs, gpusPerHost, hosts: wanted } = request;
  const able = state.hosts.filter(isUsable);
  const labels = Object.entries(needs?.labels ?? {});
  const missing = [
    ...labels
      .filter(([key, value]) => !able.some((host) => host.labels?.[key] === value))
      .map(([key, value]) => `no host has label ${key}=${value}`),
    ...(needs?.gpuMemoryMiB !== undefined &&
    !able.some((host) => (host.gpuMemoryMiB ?? 0) >= (needs.gpuMemoryMiB ?? 0))
      ? [`no host has GPUs with ${needs.gpuMemoryMiB} MiB`]
      : []),
    ...(able.some((host) => host.gpus >= gpusPerHost) ? [] : [`no host has ${gpus(gpusPerHost)}`]),
  ];
  const aside = state.hosts.filter((host) => !isUsable(host) && meets(host, request)).map(asideText);
  const rest = aside.length === 0 ? '' : ` (${listed(aside)})`;
  if (missing.length > 0) return `${missing.join(', ')}${rest}`;
  const suitable = suitableHosts(state, request).length;
  const kind = `${gpus(gpusPerHost)}${needs === undefined ? '' : ' as it needs them'}`;
  return `${some(wanted - suitable, 'more host')} with ${kind}: the pool has ${suitable} of ${wanted}${rest}`;
}

function asideText({ name, present, quarantined, cordoned, draining, leaving }: PoolHost): string {
  if (quarantined) return `${name} is quarantined`;
  if (cordoned) return `${name} is cordoned`;
  if (draining ?? leaving) return `${name} is drained`;
  return present ? name : `${name} is not there`;
}

/** `gpu-3, gpu-4 are leased to lite-1/stage1; gpu-5 to lite-2/stage1` */
function holdersText(state: PoolState, request: Waiting): string {
  const byHolder = new Map<string, string[]>();
  for (const { name } of suitableHosts(state, request)) {
    const [first] = leasesOn(state, name);
    if (first !== undefined) byHolder.set(first.holder, [...(byHolder.get(first.holder) ?? []), name]);
  }
  const texts = [...byHolder].map(
    ([holder, names]) => `${listed(names)} ${names.length === 1 ? 'is' : 'are'} leased to ${holder}`,
  );
  return texts.length === 0 ? 'they are wanted by others' : listed(texts, '; ');
}

function holderOf({ queue }: PoolState, requestId: string | undefined): string {
  return queue.find((request) => request.requestId === requestId)?.holder ?? 'others';
}

const SHOWN = 6;

function listed(texts: readonly string[], separator = ', '): string {
  const more = texts.length > SHOWN ? [`${texts.length - SHOWN} more`] : [];
  return [...texts.slice(0, SHOWN), ...more].join(separator);
}

function some(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function gpus(count: number): string {
  return `${count} GPU${count === 1 ? '' : 's'}`;
}
