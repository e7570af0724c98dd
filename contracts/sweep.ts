/** @module Sweeps: many fine-tunes that differ in some parameters, compared by one metric. All of it is plain JSON. */
import type { ConfigValue } from './plan.ts';

/** What divides trials into groups, unless a config says otherwise. */
export const DEFAULT_GROUP = 'task';

/** Dotted key of a fine-tune config, as `overrides.SOLVER.BASE_LR` or `task`, and what it is set to. */
export type TrialParameters = Readonly<Record<string, ConfigValue>>;

/** A trial of a sweep whose plan is in S3: one of the plan's, by its place, or one that a person added. */
export type TrialRef =
  { readonly sweep: string; readonly place: number } | { readonly sweep: string; readonly added: Trial };

/** A fine-tune that a sweep tries: a base config with some of its keys set. */
export interface Trial {
  /** Readable and derived from what varies: `rabbits-lr0.0001-s1`. */
  readonly id: string;
  /** Trials are compared within their group, and it has a row on the leaderboard: the task, by default. */
  readonly group: string;
  readonly parameters: TrialParameters;
  readonly seed: number;
  /** Part of the SHA-256 over the settings without the seed: trials of one configuration are repeats. @default its own */
  readonly configuration?: string;
  /** SHA-256 over the base config's text, parameters and seed: one that ran before is known by it. */
  readonly inputs: string;
}

/** What a sweep's state keeps of a trial besides how it stands. */
export type TrialName = Pick<Trial, 'id' | 'group' | 'configuration'>;

/** What trials are compared by. */
export interface Objective {
  /** As an evaluation names it: `bbox/AP`. */
  readonly name: string;
  readonly goal: 'max' | 'min';
}

/** When a trial that does worse than others is given up. */
export type StoppingRule =
  | { readonly kind: 'none' }
  | {
      /**
       * Successive halving without waiting: a configuration rests at each rung until it is among the best of its group
       * there, by the mean over its seeds.
       */
      readonly kind: 'asha';
      /** Iterations at which trials rest, ascending; the last segment is from the last rung to the trial's own end. */
      readonly rungs: readonly number[];
      /** One in so many continues to the next rung. */
      readonly reductionFactor: number;
    }
  | {
      /** A trial rests at each rung, and continues unless its best value is worse than the median of the others' averages. */
      readonly kind: 'median';
      /** As above. */
      readonly rungs: readonly number[];
      /** Nothing is stopped before so many others of its group got as far. */
      readonly atLeast: number;
    };

/** Values to draw from. Drawn numbers are rounded to four digits, so that a trial's id says them whole. */
export type Distribution =
  | { readonly kind: 'uniform'; readonly low: number; readonly high: number }
  | { readonly kind: 'logUniform'; readonly low: number; readonly high: number }
  | { readonly kind: 'choice'; readonly values: readonly ConfigValue[] };

/** All combinations of one of the list, one value of each key of the grid, one draw, and one seed. */
export interface SearchSpace {
  readonly list: readonly TrialParameters[];
  readonly grid: Readonly<Record<string, readonly ConfigValue[]>>;
  readonly random?: {
    readonly samples: number;
    readonly seed: number;
    readonly space: Readonly<Record<string, Distribution>>;
  };
  readonly seeds: readonly number[];
}

/** A checkpoint that trials begin from. */
export interface SweepStart {
  /** As a config names it: `lite-1/stage2@50000`. */
  readonly from: string;
  readonly sha256: string;
}

/** What a sweep will do. Its trials follow from it, one by one, so it stays small however many they are. */
export interface SweepPlan {
  /** Name of the config, as `sweeps/odinw13-lr`. */
  readonly config: string;
  /** The fine-tune config that every trial starts from, by its name, and its content when the sweep was planned. */
  readonly base: { readonly name: string; readonly settings: Readonly<Record<string, ConfigValue>> };
  readonly space: SearchSpace;
  /** The parameter whose values divide the trials into groups. @default task */
  readonly groupBy: string;
  /** By run id, what 'the newest final weights of that run' are for every trial. Absent where none begins so. */
  readonly starts?: Readonly<Record<string, SweepStart>>;
  readonly trials: number;
  readonly metric: Objective;
  readonly rule: StoppingRule;
  readonly limits: SweepLimits;
}

export interface SweepLimits {
  /** Trials that train at the same time, at most. */
  readonly concurrency: number;
  /** Absent: no limit. */
  readonly gpuHours?: number;
}

export interface MetricReport {
  readonly iterations: number;
  readonly value: number;
}

export const TRIAL_STATUSES = ['waiting', 'running', 'paused', 'stopped', 'failed', 'finished'] as const;
export type TrialStatus = (typeof TRIAL_STATUSES)[number];

/** How a trial stands. Its place in `SweepState.trials` is its place in the plan; added ones follow. */
export interface TrialState {
  readonly id: string;
  readonly group: string;
  /** Repeats share it: they are judged by their mean and promoted together. Absent: it has no repeats. */
  readonly configuration?: string;
  readonly status: TrialStatus;
  /** The rung that it trains to or rests at, counted from 0; as many as there are rungs: to its own end. */
  readonly rung: number;
  readonly reports: readonly MetricReport[];
  readonly gpuHours: number;
  /** Why it was stopped, is to be stopped, or failed. */
  readonly why?: string;
  /** It runs and has been asked to stop. */
  readonly stopping?: true;
  /** A person wants it to continue, whatever the rule says. */
  readonly promoted?: true;
  /** It had run before with the same inputs: nothing was trained. */
  readonly reused?: true;
}

/** All that decisions are made from: nothing is remembered elsewhere, so nothing is lost when the sweep continues again. */
export interface SweepState {
  readonly trials: readonly TrialState[];
  /** Trials that were added while it runs, in the order of their places. */
  readonly added: readonly Trial[];
}

/** What happened to a trial. */
export type SweepEvent =
  | { readonly kind: 'started'; readonly trial: string }
  | {
      /** It trains no more, be it at its rung, at its own end, or because it was asked to stop. */
      readonly kind: 'segment ended';
      readonly trial: string;
      /** Absent: it was stopped before it had any. */
      readonly report?: MetricReport;
      readonly gpuHours: number;
      /** It is at its own end. */
      readonly final: boolean;
      readonly reused?: true;
    }
  | { readonly kind: 'failed'; readonly trial: string; readonly why: string; readonly gpuHours: number }
  /** The sweep gives up a trial that does not run. */
  | { readonly kind: 'given up'; readonly trial: string; readonly why: string }
  /** A running trial was asked to stop. */
  | { readonly kind: 'asked to stop'; readonly trial: string; readonly why: string }
  | { readonly kind: 'added'; readonly trial: Trial }
  | { readonly kind: 'stopped by a person'; readonly trial: string; readonly why: string }
  | { readonly kind: 'promoted by a person'; readonly trial: string };

/** What the sweep does next. */
export type SweepStep =
  /** Train it until so many iterations; absent: to its own end. From where it rests, if it does. */
  | { readonly kind: 'start'; readonly trial: string; readonly place: number; readonly until?: number }
  | { readonly kind: 'stop'; readonly trial: string; readonly why: string }
  | { readonly kind: 'give up'; readonly trial: string; readonly why: string };

/** A person's word on a trial. */
export interface TrialOrder {
  readonly trial: string;
  readonly by: string;
  readonly why: string;
}

/** Input of `fineTuneSweep`; the workflow id is the sweep's. */
export interface SweepInput {
  /** Config below `configs/`, without its ending, as `sweeps/odinw13-lr`. */
  readonly config: string;
  /** What crosses a continue-as-new; absent at the start. */
  readonly carried?: {
    readonly rules: SweepRules;
    readonly state: PackedSweepState;
    /** Runs of the trials whose segments continue meanwhile. */
    readonly begun: readonly string[];
  };
}

/** A sweep's state in few bytes: Temporal takes no payload above 2 MB. `unpackSweepState` reads it. */
export interface PackedSweepState {
  readonly groups: readonly string[];
  /** Texts that trials share. */
  readonly whys: readonly string[];
  readonly trials: readonly PackedTrial[];
  readonly added: readonly Trial[];
}

/** Id, configuration or '', index of the group, index of the status, rung, GPU-hours, flags, index of the why or -1, reports. */
export type PackedTrial = readonly [
  string,
  string,
  number,
  number,
  number,
  number,
  number,
  number,
  ...(readonly number[]),
];

/** What decisions need of a plan. */
export type SweepRules = Pick<SweepPlan, 'metric' | 'rule' | 'limits'>;

/** All that a report shows. */
