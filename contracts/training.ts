/** @module What a stage asks of the hosts of its gang, and what they report. */
import type { Checkpoint, GoBack } from './checkpoints.ts';
import type { StagePlan } from './plan.ts';
import type { PlacedFile, WeightsFile } from './weights.ts';

/** Initial weights as a host can get them: the hand-over of one stage to the next, resolved. */
export type InitialWeights =
  | { readonly kind: 'checkout'; readonly path: string; readonly sha256: string; readonly sizeBytes: number }
  | { readonly kind: 'artifact'; readonly artifact: WeightsFile };

/** What a stage's hosts need on their disks before a trainer starts. */
export interface PlacedInput {
  readonly weights: InitialWeights;
  readonly files: readonly PlacedFile[];
}

export interface DiskRoom {
  /** A folder on it. */
  readonly path: string;
  readonly freeBytes: number;
  readonly neededBytes: number;
}

export interface OpenAttemptInput {
  readonly run: string;
  readonly stage: string;
  readonly token: number;
  /** S3 keys of files that hosts have found to be damaged: never continued from. Absent when there are none. */
  readonly damaged?: readonly string[];
  /** Go on from an older checkpoint, and leave the newer ones behind. */
  readonly goBack?: GoBack;
}

export interface OpenAttemptResult {
  /** Where the gang continues, the same for all its hosts; null when the stage has no checkpoint yet. */
  readonly resumeFrom: Checkpoint | null;
  /** Free port on rank 0's host, fresh for each attempt. */
  readonly port: number;
  /** The newer checkpoint that would not do, or was left, in whose place `resumeFrom` is. */
  readonly insteadOf?: Checkpoint;
}

export interface AwaitCheckpointInput {
  readonly run: string;
  readonly stage: string;
  readonly token: number;
  /** Milliseconds. */
  readonly withinMs: number;
}

export interface TrainRankInput {
  readonly run: string;
  readonly plan: StagePlan;
  readonly attempt: number;
  readonly token: number;
  /** This host's place in the gang; 0 writes the checkpoints. */
  readonly machineRank: number;
  readonly masterAddress: string;
  readonly port: number;
  /** Of the lease that the attempt uses. */
  readonly requestId?: string;
  /** Where the host was when the lease was granted: another machine that has its name since refuses. Absent: not known. */
  readonly place?: string;
  /** The lease's GPUs on this host, as CUDA_VISIBLE_DEVICES counts them. Absent: all. */
  readonly gpuIndices?: readonly number[];
  readonly weights: InitialWeights;
  /** Other files that must lie in the checkout before the trainer starts. */
  readonly files?: readonly PlacedFile[];
  readonly resumeFrom: Checkpoint | null;
  /** The trainer stops once it has done so many iterations of the stage, and saved. Absent: at its end. */
  readonly until?: number;
  /** Mean time between the failures of this stage, as far as it has seen any. Seconds. */
  readonly secondsToFailure?: number;
}

/** How much of the model the initial weights matched, as shares from 0 to 1. Buffers count as parameters. */
export interface Coverage {
  readonly keys: number;
  readonly parameters: number;
}

export interface TrainRankResult {
  readonly host: string;
  /** The final checkpoint, or that of `until`; null on hosts that do not write checkpoints. */
  readonly final: Checkpoint | null;
  /** Iterations that this attempt ran on this host. */
  readonly iterationsRun: number;
  /** Known on rank 0's host when the attempt began from the initial weights. */
  readonly coverage?: Coverage;
}

/** Those between `starting` and `uploading` are the trainer's own words, where it runs with the companion. */
export const PHASES = [
  'preparing',
  'restoring',
  'starting',
  'rendezvous',
  'data',
  'first iteration',
  'training',
  'saving',
  'evaluating',
  'uploading',
] as const;

export type Phase = (typeof PHASES)[number];

/** Live progress: heartbeat details of a train activity, which Temporal's Describe shows. */
export interface Progress {
  readonly host: string;
  readonly machineRank: number;
  readonly attempt: number;
  readonly phase: Phase;
  /** A checkpoint is on its way to S3, whatever the trainer does meanwhile. Absent: none is. */
  readonly uploading?: boolean;
  /** Pid of the trainer on its host. */
  readonly pid?: number;
  readonly iteration?: number;
  readonly maxIterations: number;
  readonly loss?: number;
  readonly learningRate?: number;
  readonly secondsPerIteration?: number;
  /** What the host's slowest rank takes by itself for an iteration, before it waits for others. */
  readonly ownSecondsPerIteration?: number;
  readonly etaSeconds?: number;
  /** Peak GPU memory, MiB, as the trainer's log says. */
  readonly memoryMiB?: number;
  /** Newest checkpoint that S3 holds, in iterations. */
  readonly committedIterations?: number;
  readonly coverage?: Coverage;
  /** A save is asked for so often, when the plan goes by the clock. */
  readonly saveSeconds?: number;
  /** The period that loses the least, once it is known what saving costs. Seconds. */
  readonly bestSaveSeconds?: number;
  /** A thing that waits, in words: 'S3 unreachable, upload of model_0000049.pth retried'. */
  readonly note?: string;
}
