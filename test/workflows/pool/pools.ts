/**
 * @module Pools for the tests of its decisions, small enough to be read.
 */
import type { Host, Lease, LeaseRequest } from '../../../contracts/pool.ts';
import { joinHost } from '../../../workflows/pool/pool-hosts.ts';
import { grant } from '../../../workflows/pool/pool-ledger.ts';
import { emptyPool, type PoolState } from '../../../workflows/pool/pool-state.ts';

export const NOW = 1_000_000;

/** Hosts with eight GPUs. */
export function poolOf(...names: readonly string[]): PoolState {
  return names.reduce((state, name) => joinHost(state, host(name)), emptyPool);
}

export function host(name: string): Host {
  return { name, gpus: 8, address: `${name}.example` };
}

/** One host with eight GPUs. */
export function request(requestId: string, more: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    requestId,
    holder: `holder-of-${requestId}`,
    holderSince: 0,
    hosts: 1,
    gpusPerHost: 8,
    avoid: [],
    ...more,
  };
}

export function grantAll(state: PoolState, nowMs = NOW): PoolState {
  return grant(state, nowMs).state;
}

export function grants(state: PoolState, nowMs = NOW): readonly Lease[] {
  return grant(state, nowMs).granted;
}

/** `{ a: 'one' }`; of a part of a host `{ a: 'one 0-3' }`, and of several `{ a: 'one 0-3, two 4-7' }`. */
export function leased({ leases }: PoolState): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { requestId, hosts } of leases)
    for (const { name, gpus, gpuIndices = [] } of hosts) {
      const part = gpuIndices.length === gpus ? '' : ` ${gpuIndices.join(' ')}`;
      const before = found[name];
      found[name] = `${before === undefined ? '' : `${before}, `}${requestId}${part}`;
    }
  return found;
}

export function waiting({ queue }: PoolState): string[] {
  return queue.map(({ requestId }) => requestId);
}
