/** @module Fine-tuning of one task, its evaluation, and what they leave. */
import type { Problem, StagePlan, Variant } from './plan.ts';
import type { EvaluationResult } from './evaluation.ts';
import type { StageResult } from './runs.ts';
import type { TrialRef } from './sweep.ts';
import type { ArtifactPlan } from './weights.ts';

export interface EvaluationPlan {
  /** Names of data sets, as DATASETS.TEST has them. */
  readonly datasets: readonly string[];
  /**
   * What the best checkpoint is chosen by, as `bbox/AP`; larger is better. Absent for the video tasks: GLEE leaves their
   * predictions for a server or a toolkit to judge, and prints no figure. The newest checkpoint is then taken.
   */
  readonly metric?: string;
  /** Which checkpoints of the stage: the final one alone, all that are kept, or those of so many iterations. */
  readonly checkpoints: 'final' | 'kept' | readonly number[];
}

/** A plan with one stage and an evaluation. */
export interface FineTunePlan {
  readonly run: string;
  /** Name of the config, as `finetune/odinw-rabbits`. */
  readonly config: string;
  readonly variant: Variant;
  /** `odinw/Rabbits`, `video/ytvis19`, or `coco/<name>` for a data set of the user's own. */
  readonly task: string;
  readonly stage: StagePlan;
  /** What is prepared before it trains. Absent when nothing is. */
  readonly artifacts?: readonly ArtifactPlan[];
  readonly evaluation: EvaluationPlan;
  readonly warnings: readonly Problem[];
}

/** Input of `fineTune`; the workflow id is the run id. */
export interface FineTuneInput {
  /** Config below `configs/`, without its ending, as `finetune/odinw-rabbits`. */
  readonly config: string;
  /** Set by a sweep, whose config `config` then is. */
  readonly trial?: TrialRef;
  /** It rests after so many iterations, evaluated. @default its own end */
  readonly until?: number;
}

export interface FineTuneResult {
  readonly run: string;
  readonly stage: StageResult;
  readonly evaluations: readonly EvaluationResult[];
  /** The best by the plan's metric; the newest where there is none. Absent when nothing was evaluated. */
  readonly best?: EvaluationResult;
  readonly gpuHours: number;
  /** It had been trained before from the same inputs. */
  readonly reused?: true;
}

/** By the mean of the metric over the data sets; of equals the newest. */
export function bestOf(
  { metric }: EvaluationPlan,
  evaluations: readonly EvaluationResult[],
): EvaluationResult | undefined {
  if (metric === undefined) return evaluations.at(-1);
  const scored = evaluations.flatMap((evaluation) => {
    const score = scoreOf(evaluation, metric);
    return score === undefined ? [] : [{ evaluation, score }];
  });
  return scored.reduce<(typeof scored)[number] | undefined>(
    (best, one) => (best === undefined || one.score >= best.score ? one : best),
    undefined,
  )?.evaluation;
}

/** Undefined where none of its data sets has the metric. */
export function scoreOf({ metrics }: EvaluationResult, metric: string): number | undefined {
  const values = metrics.filter((one) => one.metric === metric).map(({ value }) => value);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
