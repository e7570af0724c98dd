/**
 * @module What a pool promises, looked at from outside.
 */
import assert from 'node:assert/strict';
import type { Lease, LeaseRequest, PoolSettings } from '../../../contracts/pool.ts';
import type { PoolHost, PoolState, Waiting } from '../../../workflows/pool/pool-state.ts';

/** All of a gang, on hosts that may be used and suit it. */
export function checkWhole(state: PoolState, wanted: LeaseRequest, { hosts }: Lease): void {
  assert.equal(hosts.length, wanted.hosts, 'no gang is part granted');
  assert.equal(new Set(hosts.map(({ name }) => name)).size, hosts.length, 'on hosts of its own');
  for (const { name, gpuIndices = [] } of hosts) {
    assert.equal(gpuIndices.length, wanted.gpusPerHost, `${name} gives as many GPUs as were asked for`);
    const host = state.hosts.find((one) => one.name === name);
    assert.ok(host !== undefined && suits(host, wanted), `${name} may be used and suits`);
    assert.ok(gpuIndices.every((index) => index < host.gpus));
  }
}

/**
 * No request waits while enough GPUs are idle that no one before it wants. Before it is who could be served by the
 * hosts that there are, waits, and has more priority with age or came earlier; one over its quota wants nothing but
 * what its own team would get.
 */
export function checkNothingIdle(state: PoolState, nowMs: number): void {
  const { queue, settings } = state;
  const idleOn = idleHosts(state);
  const servable = new Set(queue.filter((one) => idleOn(one).all >= one.hosts));
  const couldBeServed = (one: Waiting) => servable.has(one);
  for (const request of queue) {
    if (!couldBeServed(request)) continue;
    const sooner = queue.filter((other) => other !== request && isBefore(other, request));
    const mates = sooner.filter((other) => other.team === request.team && couldBeServed(other));
    if (isOverQuota(state, request, mates)) continue;
    const wanting = sooner.filter((other) => !isOverQuota(state, other) && couldBeServed(other));
    const wanted = new Set(
      wanting.flatMap((other) => state.hosts.filter((host) => suits(host, other)).map(({ name }) => name)),
    );
    const idle = idleOn(request).names.filter((name) => !wanted.has(name));
    assert.ok(idle.length < request.hosts, `${request.requestId} waits while ${idle.join(', ')} are idle`);
  }

  function isBefore(other: Waiting, request: Waiting): boolean {
    // A gang that lost a host keeps its place, and what is freed for a request is its own, which only lets them go
    // sooner: that is not looked at here.
    if (other.keepsPlace === true || other.claims !== undefined) return true;
    const more = effective(other, settings, nowMs) - effective(request, settings, nowMs);
    return more > 0 || (more === 0 && other.arrivedAt <= request.arrivedAt);
  }
}

export function effective(
  { priority = 0, waitingSince, rank }: Waiting,
  settings: PoolSettings,
  nowMs: number,
): number {
  const hours = Math.floor(Math.max(0, nowMs - waitingSince) / settings.ageAfterMs);
  return Math.max(priority + hours, rank ?? -Infinity);
}

/** Hosts that suit a request: how many there are, and which of them have enough GPUs that no one holds. */
export function idleHosts({ hosts, leases }: PoolState) {
  const taken = new Map<string, number>();
  for (const lease of leases)
    for (const { name, gpuIndices = [] } of lease.hosts) {
      const gpus = hosts.find((host) => host.name === name)?.gpus ?? 0;
      const there = gpuIndices.filter((index) => index < gpus).length;
      taken.set(name, (taken.get(name) ?? 0) + there);
    }
  return (request: LeaseRequest): { readonly all: number; readonly names: readonly string[] } => {
    const suitable = hosts.filter((host) => suits(host, request));
    const idle = suitable.filter(({ name, gpus }) => gpus - (taken.get(name) ?? 0) >= request.gpusPerHost);
    return { all: suitable.length, names: idle.map(({ name }) => name) };
  };
}

function suits(host: PoolHost, { gpusPerHost, needs }: LeaseRequest): boolean {
  const aside = host.quarantined ?? host.cordoned ?? host.draining ?? host.leaving;
  const zone = needs?.labels?.zone;
  return (
    host.present &&
    aside === undefined &&
    host.gpus >= gpusPerHost &&
    (zone === undefined || host.labels?.zone === zone)
  );
}

/** With what waits before it in its own team, but for what could never be served. */
function isOverQuota(
  { settings, leases }: PoolState,
  { team, hosts, gpusPerHost }: LeaseRequest,
  mates: readonly LeaseRequest[] = [],
): boolean {
  const quota = team === undefined ? undefined : settings.quotas[team];
  if (quota === undefined) return false;
  const held = leases
    .filter((lease) => lease.team === team)
    .flatMap((lease) => lease.hosts.flatMap(({ gpuIndices = [] }) => gpuIndices));
  const before = mates
    .map((mate) => mate.hosts * mate.gpusPerHost)
    .filter((gpus) => gpus <= quota)
    .reduce((sum, gpus) => sum + gpus, 0);
  return held.length + before + hosts * gpusPerHost > quota;
}
