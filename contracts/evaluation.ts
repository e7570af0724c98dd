/** @module The evaluation of one checkpoint: what is asked, and what it leaves. */
import type { StagePlan } from './plan.ts';
import type { WeightsFile } from './weights.ts';

/** Input of `evaluate`. */
export interface EvaluateInput {
  /** As people name it: `rabbits-1/finetune@1000`, `lite-1/stage3@final`. */
  readonly checkpoint: string;
  /** The fine-tune config that names the task. @default what the checkpoint's own run was planned with */
  readonly config?: string;
  /** Names of data sets. @default those that the config tests on */
  readonly datasets?: readonly string[];
}

/** What an evaluation needs, all resolved. */
export interface EvaluationTask {
  /** Run and stage of the checkpoint. */
  readonly run: string;
  readonly stage: string;
  /** As `run/stage@iterations`. */
  readonly checkpoint: string;
  readonly iterations: number;
  readonly weights: WeightsFile;
  /** Its config, gang and data sets. */
  readonly plan: StagePlan;
  readonly datasets: readonly string[];
  /** SHA-256 over all that decides the figures. */
  readonly inputs: string;
}

/** A checkpoint that retention keeps for an evaluation, with the mark that says so. */
export interface PinnedCheckpoint {
  readonly run: string;
  readonly stage: string;
  readonly token: number;
  readonly name: string;
  readonly by: string;
}

/** On the one host that evaluates. */
export interface EvaluateOnHostInput {
  readonly task: EvaluationTask;
  readonly token: number;
  readonly attempt: number;
  /** Of the lease that the attempt uses. */
  readonly requestId?: string;
  /** As in a training's input. */
  readonly place?: string;
  readonly gpuIndices?: readonly number[];
}

/** One figure of an evaluation. */
export interface Metric {
  readonly dataset: string;
  /** `bbox/AP`, `segm/AP50`: GLEE's kind of task and its name for the figure. */
  readonly metric: string;
  readonly value: number;
}

/** A file that an evaluation has written below `inference/`, in S3. */
export interface EvaluationFile {
  /** As `inference/results.json`. */
  readonly path: string;
  readonly bucket: string;
  readonly key: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** What an evaluation leaves; also `evaluation.json` in S3, beside the checkpoint. */
export interface EvaluationResult {
  /** As `run/stage@iterations`. */
  readonly checkpoint: string;
  readonly sha256: string;
  readonly iterations: number;
  /** Of the evaluation: what went into it, by which it is found again. */
  readonly inputs: string;
  readonly metrics: readonly Metric[];
  /** Predictions, which are all that an evaluation on videos leaves. Absent in records from before they were kept. */
  readonly files?: readonly EvaluationFile[];
}
