/** @module What a run is given, what it answers when asked, and what it leaves. */
import type { Artifact, StageName, StagePlan, Variant } from './plan.ts';
import type { InitialWeights } from './training.ts';
import type { GoBack } from './checkpoints.ts';
import type { ControlReason } from './controls.ts';
import type { FailureClass, FailureType, NamedFailure } from './failures.ts';
import type { EvaluationResult } from './evaluation.ts';
import type { CarriedLease } from './pool.ts';
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
  /**
   * So many iterations, counted from the stage's first one: it trains up to there, saves, and rests, its schedule as it is.
   * A later execution continues from there. Absent: to its end.
   */
  readonly until?: number;
  /** What people changed of the stage in an earlier execution of the run. Absent when nothing was changed. */
  readonly changes?: StageChanges;
  /** What crosses a continue-as-new; absent at the start. */
  readonly carried?: { readonly state: StageState; readonly lease: CarriedLease | null };
}

/** Something that happened to a run, for people. */
export interface RunEvent {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly text: string;
  readonly failure?: FailureType;
}

export type StagePhase =
  | 'waiting for hosts'
  | 'checking hosts'
  | 'opening'
  | 'training'
  | 'backing off'
  /** By a person: without hosts until `resume`. */
  | 'paused'
  /** Without hosts until `resolve`. */
  | 'waiting for a decision'
  | 'publishing'
  | 'done';

/** What people have changed of a stage since it began. */
export interface StageChanges {
  readonly maxIterations?: number;
  readonly priority?: number;
  /** SOLVER.BASE_LR. */
  readonly learningRate?: number;
}

/** How many attempts of a class of failures have ended without a newer checkpoint, and how many may. */
export interface Budget {
  /** At most the limit. */
  readonly spent: number;
  readonly limit: number;
  /** There was one attempt more, which was the last. */
  readonly exceeded?: true;
}

/** A host without something that the plan needs, as a data set. */
export interface LackingHost {
  readonly host: string;
  readonly reason: string;
  /** The attempt whose trainer failed for it, in spite of the checks: a gang that passes them proves nothing then. */
  readonly trained?: number;
}

/** What a trainer failed with, and how many attempts in a row have failed with just that. */
export interface Crash {
  readonly signature: string;
  /** Of the stage, that were done. */
  readonly iteration: number;
  readonly times: number;
}

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
  /** By class of failure, those alone of which something is spent; refilled by a newer checkpoint. Absent in stages that began before. */
  readonly budgets?: Readonly<Partial<Record<FailureClass, Budget>>>;
  /** The most that was ever committed: more than that is progress. Absent where nothing was gone back from. */
  readonly bestIterations?: number;
  /** Since when and by whom it is paused. Absent when it is not. */
  readonly paused?: ControlReason & { readonly at: number };
  /** The failure about which a person has to decide. */
  readonly question?: NamedFailure;
  /** From where the next attempt continues, when not from the newest checkpoint. */
  readonly goBack?: GoBack;
  /** It has gone back for a divergence, and has not come further since. */
  readonly wentBack?: true;
  readonly changes?: StageChanges;
  /** Hosts of the newest failure, avoided by the next lease where others are free. */
  readonly avoid: readonly string[];
  /** Hosts that were seen to lack what the plan needs, while no gang passed the checks. Absent when there are none. */
  readonly lacking?: readonly LackingHost[];
  /** The newest failure, while the same error comes back at the same iteration. */
  readonly crash?: Crash;
  /** What the newest attempt failed with, for people. Absent once another one trains. */
  readonly lastFailure?: string;
  /** It has trained to its end: no order but `resume` changes anything any more. */
  readonly trained?: true;
  /** For which its attempts held hosts, and how many of them failed: how often to save follows. Absent before the first has ended. */
  readonly trainedSeconds?: number;
  readonly failures?: number;
  /** S3 keys of checkpoints that hosts found to be damaged. Absent when there are none. */
  readonly damaged?: readonly string[];
  /** Iterations that all attempts ran together: more than the stage has when some were repeated. */
  readonly iterationsRun: number;
  readonly events: readonly RunEvent[];
}

/**
 * What a finished stage leaves; also `result.json` in S3, by which a later start finds that it is done. One that rests
 * before its end leaves no such file, and its artifact is called `run/stage@iterations`.
 */
export interface StageResult {
  readonly stage: StageName;
  readonly artifact: Artifact;
  /** SHA-256 over what went into the stage: config, overrides, gang, initial weights. */
  readonly inputs: string;
  readonly attempts: number;
  readonly iterationsRun: number;
  /** What the last attempt failed with after its final weights were committed, as in a last evaluation. */
  readonly lastFailure?: string;
  /** For which its attempts held their hosts. Absent in results of earlier versions, and of stages that were skipped. */
  readonly trainedSeconds?: number;
}

export type StageStatus =
  | { readonly stage: StageName; readonly status: 'waiting' }
  | { readonly stage: StageName; readonly status: 'running'; readonly workflowId: string }
  | {
      readonly stage: StageName;
      readonly status: 'done';
      readonly result: StageResult;
      readonly reused: boolean;
      /** A person ended it, and named what the next stage begins from. */
      readonly skipped?: true;
    };

/** What the `state` query of a joint training or a fine-tune answers. */
export interface RunState {
  readonly run: string;
  readonly config: string;
  readonly variant: Variant | null;
  readonly phase:
    'planning' | 'preparing weights' | 'waiting for approval' | 'training' | 'evaluating' | 'done' | 'failed';
  readonly stages: readonly StageStatus[];
  readonly warnings: readonly string[];
  /** Weights that are prepared before the first stage; absent when there are none. */
  readonly weights?: readonly ArtifactStatus[];
  /** Of a fine-tune, as far as it is. */
  readonly evaluations?: readonly EvaluationResult[];
  /** The checkpoint that is being evaluated, as `rabbits-1/finetune@300`. Absent: none is. */
  readonly evaluating?: string;
}

export interface JointTrainingResult {
  readonly run: string;
  readonly stages: readonly StageResult[];
}
