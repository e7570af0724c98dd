/**
 * @module The plan: the whole of what a run will do, resolved from a config file and checked once, then frozen.
 */

import type { DatasetPlan } from './datasets.ts';
import type { FailureClass } from './failures.ts';
import type { HostNeeds } from './pool.ts';
import type { Retention } from './checkpoints.ts';
import type { ArtifactPlan, NeededArtifact, WeightsFile } from './weights.ts';

export const VARIANTS = ['Lite', 'Plus', 'Pro'] as const;
export type Variant = (typeof VARIANTS)[number];

export const STAGES = ['stage1', 'stage2', 'stage3'] as const;
/** The only stage of a fine-tune. */
export const FINE_TUNE_STAGE = 'finetune';
export const ALL_STAGES = [...STAGES, FINE_TUNE_STAGE] as const;
export type JointStageName = (typeof STAGES)[number];
export type StageName = (typeof ALL_STAGES)[number];

/** The hosts that train together, whole or not at all. World size is hosts × gpusPerHost. */
export interface Gang {
  readonly hosts: number;
  readonly gpusPerHost: number;
}

/** What a stage has trained: `<run>/<stage>`. */
export interface Artifact extends WeightsFile {
  /** Iterations trained: detectron2's file numbering counts from 0, this counts from 1. */
  readonly iterations: number;
  /** The GLEE config it was trained with, relative to the checkout. */
  readonly configFile: string;
}

/** Where a stage's initial weights come from; the hand-over names a checksum wherever one can be known. */
export type WeightsSource =
  /** A file in the GLEE checkout on every host, relative to its root. */
  | { readonly kind: 'checkout'; readonly path: string; readonly sha256: string; readonly sizeBytes: number }
  /** The final weights of an earlier stage of this same run. */
  | { readonly kind: 'stage'; readonly stage: StageName }
  /** An artifact that exists already, of another run. */
  | { readonly kind: 'artifact'; readonly artifact: Artifact }
  /** One of the plan's artifacts, prepared before the first stage. */
  | { readonly kind: 'prepared'; readonly artifact: string };

/** A JSON value as it may stand in a GLEE config. */
export type ConfigValue = string | number | boolean | null | readonly ConfigValue[] | Overrides;

/** Settings laid over the GLEE config, nested as in its YAML. */
export interface Overrides {
  readonly [key: string]: ConfigValue;
}

/** The parts of an attempt that have time limits of their own; `iteration` is the time between two signs of progress. */
export const TIMED_PHASES = [
  'start',
  'rendezvous',
  'data',
  'first iteration',
  'iteration',
  'saving',
  'evaluating',
] as const;
export type TimedPhase = (typeof TIMED_PHASES)[number];

/** How long what may take, and how often it may fail. */
export interface StageLimits {
  /** A train activity without a heartbeat for so long is handed out again; the trainer itself continues. Milliseconds. @default 60000 */
  readonly heartbeatTimeoutMs: number;
  /** A host whose worker does not pick up its work for so long counts as lost. Milliseconds. @default 300000 */
  readonly hostTimeoutMs: number;
  /** A trainer that shows no sign of progress for so long hangs, and is killed. Milliseconds. @default 1800000 */
  readonly stallTimeoutMs: number;
  /** Attempts in a row that end without a newer checkpoint before the stage gives up. @default 10 */
  readonly attemptsWithoutProgress: number;
  /** The same for failures of one class alone. @default attemptsWithoutProgress */
  readonly budgets?: Readonly<Partial<Record<FailureClass, number>>>;
  /** What a phase may take, where a person knows better than the run's own pace. Milliseconds. */
  readonly phaseTimeoutsMs?: Readonly<Partial<Record<TimedPhase, number>>>;
  /** A loss so many times the median of the run's last ones, for several lines of metrics, is a spike. Absent: none is looked for. */
  readonly lossSpike?: number;
  /**
   * Share of the model's parameters, 0 to 1, that the initial weights must match; below it the trainer ends before it
   * trains. Absent in plans that were frozen before there was such a limit: then it is only measured.
   */
  readonly coverage?: number;
}

/** When to save, by the clock. `auto`: Young's and Daly's period, from what saving costs and how often things fail. */
export type SaveEvery = { readonly kind: 'auto' } | { readonly kind: 'seconds'; readonly seconds: number };

export interface StagePlan {
  readonly stage: StageName;
  /** The GLEE config, relative to the checkout's root. */
  readonly configFile: string;
  readonly weights: WeightsSource;
  readonly overrides: Overrides;
  /** SHA-256 of all settings that decide what is trained: GLEE's own and the overrides, without those that only steer. */
  readonly settingsSha256: string;
  readonly gang: Gang;
  readonly pool: string;
  /** The pool serves larger ones first. @default 0 */
  readonly priority?: number;
  /** Whose quota of the pool it counts for. */
  readonly team?: string;
  /** What its hosts must have. */
  readonly needs?: HostNeeds;
  /** True: a person has to approve before the stage begins, and until then it holds no hosts. */
  readonly approval?: true;
  /** SOLVER.MAX_ITER after overrides. */
  readonly maxIterations: number;
  /** SOLVER.CHECKPOINT_PERIOD after overrides, in iterations. */
  readonly checkpointPeriod: number;
  /** SOLVER.STEPS after overrides: none may be where the training ends. Absent in plans of older versions. */
  readonly learningRateSteps?: readonly number[];
  /** Instead of by iterations: at most so many seconds apart, or as often as loses the least. Absent: by iterations. */
  readonly saveEvery?: SaveEvery;
  /** Which checkpoints stay in S3. @default the newest 3 */
  readonly retention?: Retention;
  readonly limits: StageLimits;
  /** What the companion registers for it. Absent where the checkout has all. */
  readonly datasets?: readonly DatasetPlan[];
  /** Files besides the initial weights that the hosts' checkouts lack. Absent in plans that were frozen before there were any. */
  readonly files?: readonly NeededArtifact[];
  /** Its checkpoints are evaluated after the training: the trainer itself evaluates none of them. */
  readonly evaluatedAfter?: true;
}

/** Why something in a config will not do, and what to change. */
export interface Problem {
  /** `error`: the run would fail or train the wrong thing. `warning`: it can start, but look. */
  readonly level: 'error' | 'warning';
  /** The file that has to change. */
  readonly file: string;
  /** Dotted key within the file, or '' for the file as a whole. */
  readonly key: string;
  /** Line in the file, counted from 1, where the key stands or would stand. */
  readonly line?: number;
  readonly message: string;
}

export interface Plan {
  readonly run: string;
  /** Name of the config it was resolved from, as `joint/lite`. */
  readonly config: string;
  readonly variant: Variant;
  readonly stages: readonly StagePlan[];
  /** What is prepared before the first stage, with all that it is made from. Absent when nothing is. */
  readonly artifacts?: readonly ArtifactPlan[];
  /** What was found and does not keep the run from starting. */
  readonly warnings: readonly Problem[];
}
