/** @module Configs that are run again and again on Temporal's own Schedules. Plain JSON. */
import type { SweepComparison } from './sweep-results.ts';

/** Input of `scheduledRun`. Which schedule it is of, and for which time, Temporal says by itself. */
export interface ScheduledRunInput {
  /** Config below `configs/`, without its ending: a sweep's, a fine-tune's or a joint training's. */
  readonly config: string;
  /** Resolves and checks the config as an execution would, and ends. Set when a schedule is made. */
  readonly onlyPlan?: true;
}

/** What an execution of a schedule has come to. */
export type ScheduledRunResult =
  | { readonly did: 'planned'; readonly follows: readonly string[] }
  | {
      /** What it follows has nothing that the schedule has not trained from already. */
      readonly did: 'nothing';
      readonly why: string;
      /** What it would have begun. */
      readonly run: string;
    }
  | {
      readonly did: 'run';
      /** Of the sweep, fine-tune or joint training. */
      readonly run: string;
      /** Of a sweep that has one before it. */
      readonly comparison?: SweepComparison;
    };

/** Whether there is something to do, and from what it would begin. */
export interface ScheduledChanges {
  /** Runs whose newest final weights the config begins from. */
  readonly follows: readonly string[];
  /** Why there is nothing to do. */
  readonly nothing?: string;
}

/** What a schedule has brought to its end, the newest last. */
export interface ScheduleRecord {
  readonly runs: readonly {
    readonly run: string;
    readonly config: string;
    /** ISO time at which it ended. */
    readonly endedAt: string;
  }[];
}
