/** @module What is looked at on a host before a lease of it is used. */
import type { StagePlan } from './plan.ts';
import type { PlacedInput } from './training.ts';

export interface CheckHostInput {
  readonly run: string;
  readonly plan: StagePlan;
  /** The lease's GPUs on this host. Absent: all. */
  readonly gpuIndices?: readonly number[];
  readonly token: number;
  /** What the stage places on it, so that its room can be told. Absent: checkpoints alone are counted. */
  readonly placed?: PlacedInput;
}

/** One look: `failed` also where it could not be made; `skipped` only where there is nothing to look at, as on a pretend host. */
export interface HostCheck {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What was seen, in words, with figures. */
  readonly said: string;
  /** True where the host is to blame, whatever it trains: the pool sets it aside. */
  readonly hostFault?: boolean;
  /** True where it failed because it could not be made: the next one may. */
  readonly inconclusive?: boolean;
}

export interface HostReport {
  readonly host: string;
  readonly checks: readonly HostCheck[];
  /** Commit of its GLEE checkout, and whether files differ from it; absent where it is no git checkout. */
  readonly checkout?: string;
  /** Epoch milliseconds on its clock. */
  readonly at: number;
  /** Its clock less that of S3, milliseconds. Absent where S3 did not say its own. */
  readonly clockOffsetMs?: number;
  /** Of its slowest GPU in a short GEMM. */
  readonly tflops?: number;
  /** In a gang of several: ports at which it can be met for a minute. */
  readonly meeting?: MeetingPorts;
}

export interface MeetingPorts {
  /** Something listens here, and says whose host it is to who knows the challenge. */
  readonly hello: number;
  readonly challenge?: string;
  /** Free a moment ago: for the ranks of a collective, where this is rank 0's host. */
  readonly ranks: number;
}

export interface CheckCollectiveInput {
  readonly run: string;
  readonly stage: string;
  readonly token: number;
  readonly machineRank: number;
  /** The whole gang, in rank order, this host among them. */
  readonly hosts: readonly MetHost[];
  readonly gpusPerHost: number;
  readonly gpuIndices?: readonly number[];
}

export interface MetHost {
  readonly name: string;
  readonly address: string;
  readonly ports: MeetingPorts;
}

/** What one host found of the way to the others. */
export interface CollectiveReport {
  readonly host: string;
  readonly checks: readonly HostCheck[];
  /** Hosts that it cannot reach, or whose clock is far from its own. */
  readonly unreachable: readonly string[];
}
