/** @module What a person sees of the pool: hosts, leases, who waits, and for what. */
import type { Host, LeaseRequest, PoolSettings } from './pool.ts';

/** Why a host gets no new work. Kept by the pool, beyond any run and any worker. */
export interface HostCondition {
  /** Set aside by the pool for what has happened on it, until a person clears it. */
  readonly quarantined?: { readonly reason: string; readonly since: number };
  /** Set aside by a person; what runs on it continues. */
  readonly cordoned?: { readonly by: string; readonly why: string; readonly since: number };
  /** Set aside by a person; what runs on it is asked to yield, and its worker may leave when it is free. */
  readonly draining?: { readonly by: string; readonly why: string; readonly since: number };
  /** Failures that may have been bad luck; several within a day are not. */
  readonly strikes?: readonly { readonly at: number; readonly reason: string }[];
}

export interface LeaseView {
  readonly requestId: string;
  readonly holder: string;
  readonly gpuIndices: readonly number[];
  /** Epoch milliseconds of the grant. */
  readonly since: number;
  /** The effective priority that it was granted at: only what is more urgent asks it to yield. */
  readonly priority: number;
  readonly team?: string;
  /** The pool was started after the grant: it was told of the lease by its holder, or by the host where it is in use. */
  readonly adopted?: true;
  /** Set when the pool has asked for it back. */
  readonly askedToYield?: { readonly at: number; readonly why: string };
}

export interface HostView extends Host, HostCondition {
  readonly present: boolean;
  /** New work may be given to it: it is there, and nothing sets it aside. */
  readonly usable: boolean;
  readonly freeGpus: number;
  readonly leases: readonly LeaseView[];
  /** The first of its holders; null when it is free. */
  readonly leasedTo: string | null;
}

export interface WaitingView extends LeaseRequest {
  /** Place in the queue, counted from 1. */
  readonly position: number;
  readonly effectivePriority: number;
  readonly waitedMs: number;
  /** What it waits for, in words. */
  readonly waitsFor: string;
}

export interface PoolView {
  readonly hosts: readonly HostView[];
  /** In the order in which they are served. */
  readonly queue: readonly WaitingView[];
  readonly settings: PoolSettings;
  /** What is wrong with the pool's file; the settings before it continue. */
  readonly problem?: string;
}
