/** @module The pool's words: hosts, requests, leases. */

export interface Host {
  readonly name: string;
  /** GPUs that the host's worker offers. */
  readonly gpus: number;
  /** Address at which the other hosts of a gang reach this one. */
  readonly address: string;
}

export interface LeaseRequest {
  /** Unique to one wait: the holder's workflow id and a counter. A request made twice is one request. */
  readonly requestId: string;
  /** Workflow id that gets the `leaseGranted` signal and must release. */
  readonly holder: string;
  /** Epoch milliseconds at which the holder was started: what it held under an earlier start is over. */
  readonly holderSince: number;
  readonly hosts: number;
  readonly gpusPerHost: number;
  /** Hosts that the holder has just seen fail; taken only when nothing else would do. */
  readonly avoid: readonly string[];
}

/** A whole gang, granted. */
export interface Lease {
  readonly requestId: string;
  readonly holder: string;
  readonly holderSince: number;
  /** Rank order: the first is rank 0's host. */
  readonly hosts: readonly Host[];
  /** Fencing token: grows with every grant, also when the pool itself had to be started anew. */
  readonly token: number;
}

/** What a person sees of the pool. */
export interface PoolView {
  readonly hosts: readonly (Host & { readonly present: boolean; readonly leasedTo: string | null })[];
  readonly queue: readonly LeaseRequest[];
}
