/** @module The pool's words: hosts, requests, leases, and what a person may say of them. */

export interface Host {
  readonly name: string;
  /** GPUs that the host's worker offers. */
  readonly gpus: number;
  /** Address at which the other hosts of a gang reach this one. */
  readonly address: string;
  /** Memory of its smallest GPU, MiB. Absent where no one knows it. */
  readonly gpuMemoryMiB?: number;
  /** What its worker says of it, as `{ zone: 'b' }`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Its GPUs are pretended: nothing of them can be checked. */
  readonly pretend?: true;
  /** Why its worker is about to leave: it takes no new work, and leaves when it is free. Gone when a worker starts again. */
  readonly leaving?: string;
  /** Machine, container and scratch folder that the worker runs on: two workers with one name are told apart by it. */
  readonly place?: string;
  /** Epoch milliseconds at which the worker was started. The newest worker of a place has the host. */
  readonly workerSince?: number;
}

/** What a worker tells when it joins: its host, and which leases are in use on it. */
export interface HostJoin extends Host {
  /** A pool that was started after these leases were granted does not know them. */
  readonly jobs?: readonly LivingJob[];
}

/** A trainer or an evaluation that lives on a host. */
export interface LivingJob {
  readonly holder: string;
  /** Of the lease that it was started under. */
  readonly requestId: string;
  readonly token: number;
  /** Absent: all GPUs of the host. */
  readonly gpuIndices?: readonly number[];
}

/** What a host must have to be of use. */
export interface HostNeeds {
  readonly gpuMemoryMiB?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface LeaseRequest {
  /** Unique to one wait: the holder's workflow id and a counter. A request made twice is one request. */
  readonly requestId: string;
  /** Workflow id that gets the `leaseGranted` signal and must release. */
  readonly holder: string;
  /** Epoch milliseconds at which the holder's first execution was started: what it held under an earlier start is over. */
  readonly holderSince: number;
  readonly hosts: number;
  /** So many on each of them; a host with more may be shared. */
  readonly gpusPerHost: number;
  /** Hosts that the holder has just seen fail; taken only when nothing else would do. */
  readonly avoid: readonly string[];
  /** Larger goes first. @default 0 */
  readonly priority?: number;
  /** Whose quota it counts for. */
  readonly team?: string;
  readonly needs?: HostNeeds;
  /**
   * Request id of a lease of the same holder that ends with this request: its hosts are taken again where they will
   * do, and its place in the queue goes over.
   */
  readonly replaces?: string;
}

/** A host of a gang, and which of its GPUs are the gang's. */
export interface LeasedHost extends Host {
  /** As CUDA_VISIBLE_DEVICES counts them. Absent: all, as in leases that were granted before hosts could be shared. */
  readonly gpuIndices?: readonly number[];
}

/** A whole gang, granted. */
export interface Lease {
  readonly requestId: string;
  readonly holder: string;
  readonly holderSince: number;
  /** Rank order: the first is rank 0's host. */
  readonly hosts: readonly LeasedHost[];
  /** Fencing token: grows with every grant, also when the pool itself had to be started again. */
  readonly token: number;
}

/** What a holder answers when a pool that was started again asks what it has. */
export interface LeaseAccount {
  readonly pool: string;
  readonly priority: number;
  readonly team?: string;
  /** Null where it holds none, or where the pool has not confirmed it yet. */
  readonly held: Lease | null;
  /** What it waits for. */
  readonly request: LeaseRequest | null;
}

/** What the pool answers about one lease. */
export interface LeaseAnswer {
  /** False while the pool still asks the holders what they have: then nothing is known. */
  readonly isReady: boolean;
  readonly lease: Lease | null;
}

/** What crosses a holder's continue-as-new. */
export interface CarriedLease {
  readonly held: Lease | null;
  /** Request id that it waits for. */
  readonly wanted: string | null;
  readonly replaces: string | null;
  /** Start of the holder's first execution, epoch milliseconds. */
  readonly holderSince: number;
}

/** The pool wants a lease back: the holder saves, releases, and may ask again. */
export interface YieldRequest {
  readonly requestId: string;
  /** For people: which request, or which host that leaves, it is for. */
  readonly why: string;
  /** At most so long may it take to the next checkpoint. Milliseconds. */
  readonly withinMs: number;
}

/** A holder says that a host failed it. */
export interface HostBlame {
  readonly host: string;
  readonly holder: string;
  /** For people: the check that failed, or the log's line. */
  readonly reason: string;
  /** `at once`: the hardware is at fault. `counts`: it may have been bad luck; several in a day are not. */
  readonly weight: 'at once' | 'counts';
}

/** A person's word on a host. */
export interface HostOrder {
  readonly host: string;
  /** Who says so. */
  readonly by: string;
  readonly why: string;
}

/** What a pool's own file, `configs/pools/<pool>.yaml`, may say. */
export interface PoolSettings {
  /** A host that was not heard of for so long is lost. Milliseconds. */
  readonly heartbeatTimeoutMs: number;
  /** Who has waited so long goes as one of the next higher priority; twice as long, two higher. Milliseconds. */
  readonly ageAfterMs: number;
  /** A holder that is asked to yield may take so long to its next checkpoint. Milliseconds. */
  readonly yieldWithinMs: number;
  /** So many strikes within a day set a host aside. */
  readonly strikes: number;
  /** GPUs that a team may hold at a time. A team without a quota may hold all. */
  readonly quotas: Readonly<Record<string, number>>;
}

export const DEFAULT_POOL_SETTINGS: PoolSettings = {
  heartbeatTimeoutMs: 30_000,
  ageAfterMs: 3_600_000,
  yieldWithinMs: 600_000,
  strikes: 3,
  quotas: {},
};
