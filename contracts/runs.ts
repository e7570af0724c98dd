/** @module What a run is given, what it answers when asked, and what it leaves. */
import type { Artifact, StageName, StagePlan, Variant } from './plan.ts';
import type { InitialWeights } from './training.ts';
import type { FailureType } from './failures.ts';
import type { Lease } from './pool.ts';
import type { ArtifactStatus, PlacedFile } from './weights.ts';

/** Input of `jointTraining`; the workflow id is the run id. Every field may be left out. */
export interface JointTrainingInput {
  /** Config below `configs/`, without its ending. @default 'joint/lite' */
  readonly config?: string;
}

export interface TrainStageInput {
  readonly run: string;
  readonly plan: StagePlan;
  readonly weights: InitialWeights;
  /** Other files that its hosts need; absent when there are none. */
  readonly files?: readonly PlacedFile[];
  /** What crosses a continue-as-new; absent at the start. */
  readonly carried?: { readonly state: StageState; readonly lease: Lease | null };
}

/** Something that happened to a run, for people. */
export interface RunEvent {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly text: string;
  readonly failure?: FailureType;
}

export type StagePhase = 'waiting for hosts' | 'opening' | 'training' | 'backing off' | 'publishing' | 'done';

/** State of one stage: what its query answers, and what crosses a continue-as-new. Plain JSON. */
export interface StageState {
  readonly phase: StagePhase;
  readonly attempt: number;
  /** Token of the newest attempt; the next one is larger. */
  readonly token: number;
  readonly hosts: readonly string[];
  /** Iterations of the newest committed checkpoint that the stage knows of. */
  readonly committedIterations: number;
  readonly attemptsWithoutProgress: number;
  /** Hosts of the newest failure, avoided by the next lease where others are free. */
  readonly avoid: readonly string[];
  /** For which its attempts held hosts, and how many of them failed: how often to save follows. Absent before the first has ended. */
  readonly trainedSeconds?: number;
  readonly failures?: number;
  /** S3 keys of checkpoints that hosts found to be damaged. Absent when there are none. */
  readonly damaged?: readonly string[];
  /** Iterations that all attempts ran together: more than the stage has when some were repeated. */
  readonly iterationsRun: number;
  readonly events: readonly RunEvent[];
}

/** What a finished stage leaves; also `result.json` in S3, by which a later start finds that it is done. */
export interface StageResult {
  readonly stage: StageName;
  readonly artifact: Artifact;
  /** SHA-256 over what went into the stage: config, overrides, gang, initial weights. */
  readonly inputs: string;
  readonly attempts: number;
  readonly iterationsRun: number;
}

export type StageStatus =
  | { readonly stage: StageName; readonly status: 'waiting' }
  | { readonly stage: StageName; readonly status: 'running'; readonly workflowId: string }
  | {
      readonly stage: StageName;
      readonly status: 'done';
      readonly result: StageResult;
      readonly reused: boolean;
    };

/** What the `state` query of a joint training answers. */
export interface RunState {
  readonly run: string;
  readonly config: string;
  readonly variant: Variant | null;
  readonly phase: 'planning' | 'preparing weights' | 'training' | 'done' | 'failed';
  readonly stages: readonly StageStatus[];
  readonly warnings: readonly string[];
  /** Weights that are prepared before the first stage; absent when there are none. */
  readonly weights?: readonly ArtifactStatus[];
}

export interface JointTrainingResult {
  readonly run: string;
  readonly stages: readonly StageResult[];
}
