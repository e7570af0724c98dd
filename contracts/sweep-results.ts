/** @module What a sweep ends with: a leaderboard, a report of its trials, a comparison with an earlier sweep. Plain JSON. */
import type { Objective, Trial, TrialParameters, TrialState, TrialStatus } from './sweep.ts';

export interface LeaderboardRow {
  readonly group: string;
  /** Of the best trial: by the mean over its seeds. Seeds are left out of it. */
  readonly parameters: TrialParameters;
  /** The trial of the best seed. */
  readonly trial: string;
  readonly best: number;
  readonly mean: number;
  /** Sample standard deviation over seeds; absent for one alone. */
  readonly std?: number;
  readonly n: number;
  /** False: none of the group came to its end, and the furthest are compared. */
  readonly finished: boolean;
  readonly iterations: number;
}

export interface SweepResult {
  readonly sweep: string;
  readonly leaderboard: readonly LeaderboardRow[];
  /** Rows that are left out, because the result of a workflow is small: `glee sweep report` has all of them. Absent: none. */
  readonly omittedRows?: number;
  readonly counts: Readonly<Record<TrialStatus, number>>;
  readonly gpuHours: number;
}

export interface ReportedTrial extends Trial {
  readonly state: TrialState;
}

export interface SweepReport {
  readonly sweep: string;
  readonly config: string;
  readonly metric: Objective;
  readonly trials: readonly ReportedTrial[];
  readonly leaderboard: readonly LeaderboardRow[];
  readonly comparison?: SweepComparison;
  /** What trials began from that follow a run, as `lite-1/stage2@50000`. Absent where none does. */
  readonly starts?: readonly string[];
}

export type ComparisonVerdict = 'better' | 'worse' | 'within noise' | 'unknown' | 'new' | 'gone';

export interface ComparedRow {
  readonly group: string;
  readonly before?: LeaderboardRow;
  readonly after?: LeaderboardRow;
  /** After less before, as the metric counts. */
  readonly difference?: number;
  /** Standard error of the difference. */
  readonly noise?: number;
  /** Two-sided; absent where nothing repeats. */
  readonly p?: number;
  readonly verdict: ComparisonVerdict;
}

export interface SweepComparison {
  readonly before: string;
  readonly after: string;
  readonly rows: readonly ComparedRow[];
  /** Rows that are left out of a workflow's result; S3 has all of them. Absent: none. */
  readonly omittedRows?: number;
  /** Groups that fell by more than their noise. */
  readonly regressions: readonly string[];
  /** How many of the verdicts to expect by chance alone, were there no difference at all. */
  readonly byChance: number;
}
