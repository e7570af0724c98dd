/**
 * @module What the pool remembers: plain JSON, which crosses a continue-as-new. Pure.
 */
import { DEFAULT_POOL_SETTINGS, type Host, type Lease, type LeaseRequest } from '../../contracts/pool.ts';
import type { LeasedHost, PoolSettings } from '../../contracts/pool.ts';
import type { HostCondition } from '../../contracts/pool-view.ts';

export interface PoolHost extends Host, HostCondition {
  readonly present: boolean;
  /** Epoch milliseconds since when it is not. */
  readonly absentSince?: number;
  /** Its worker was told once that it may leave, as a person's drain says. */
  readonly letGo?: true;
}

export interface HeldLease extends Lease {
  /** Effective priority that it was granted at. */
  readonly rank: number;
  /** Of the first request that it goes back to. */
  readonly arrivedAt: number;
  readonly grantedAt: number;
  readonly team?: string;
  readonly asked?: Asked;
  /** The pool was started after it was granted, and was told of it by its holder or a host. */
  readonly adopted?: true;
}

/** A holder was asked to yield. */
export interface Asked {
  readonly at: number;
  readonly why: string;
  /** Request id, or the name of a host that is drained. */
  readonly sakeOf: string;
}

export interface Waiting extends LeaseRequest {
  /** Of this request, or of the first one that it goes back to by way of `replaces`. */
  readonly arrivedAt: number;
  /** Ageing counts from here: what was held meanwhile was not waited for. */
  readonly waitingSince: number;
  /** Effective priority of the lease that it replaces. */
  readonly rank?: number;
  /** It replaces a lease that no one had asked for: a gang that lost a host keeps its place before those that wait. */
  readonly keepsPlace?: true;
  /** Hosts whose holders were asked to yield for its sake: requests that only their age puts before it do not get them. */
  readonly claims?: readonly string[];
  /** Hosts and GPUs of the lease that it replaces. */
  readonly before?: readonly LeasedHost[];
}

export interface PoolState {
  /** By name. */
  readonly hosts: readonly PoolHost[];
  readonly leases: readonly HeldLease[];
  /** As they came. */
  readonly queue: readonly Waiting[];
  readonly lastToken: number;
  readonly settings: PoolSettings;
  /** What is wrong with the pool's file. */
  readonly problem?: string;
}

export const emptyPool: PoolState = {
  hosts: [],
  leases: [],
  queue: [],
  lastToken: 0,
  settings: DEFAULT_POOL_SETTINGS,
};

/** What crosses a continue-as-new. */
export interface CarriedPool {
  readonly state: PoolState;
  /** When the pool last asked whether holders still run, epoch milliseconds. */
  readonly lookedAt: number;
}

/** It was asked, and still has time to answer. */
export function isPending({ settings }: PoolState, { asked }: HeldLease, nowMs: number): boolean {
  return asked !== undefined && nowMs - asked.at < 2 * settings.yieldWithinMs;
}
