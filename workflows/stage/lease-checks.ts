/** @module Leases as they come from outside: from the pool, and from the execution before. Pure. */
import { parse } from '../../contracts/parsing.ts';
import type { Gang } from '../../contracts/plan.ts';
import { readCarriedLease } from '../../contracts/pool-messages.ts';
import type { CarriedLease, Lease } from '../../contracts/pool.ts';
import { invalid } from '../base/errors.ts';

/** The gang that the plan asks for, on hosts of its own. */
export function fits({ hosts }: Lease, { hosts: wanted, gpusPerHost }: Gang): boolean {
  return (
    hosts.length === wanted &&
    new Set(hosts.map(({ name }) => name)).size === wanted &&
    hosts.every(({ gpus, gpuIndices }) => (gpuIndices?.length ?? gpus) === gpusPerHost)
  );
}

/** @throws InvalidConfig where anyone but the stage has written it. */
export function carriedLease(given: unknown): CarriedLease | undefined {
  if (given === null || given === undefined) return undefined;
  const parsed = parse(readCarriedLease, given, 'input.carried.lease');
  if (parsed.ok) return parsed.value;
  throw invalid(`a stage is started without a lease: ${parsed.problem}`);
}
