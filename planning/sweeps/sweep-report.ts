/** @module What a report shows of a sweep: its plan's trials, each with how it stands. */
import { leaderboardOf } from '../../contracts/leaderboard.ts';
import { TRIAL_STATUSES, type SweepPlan, type SweepState } from '../../contracts/sweep.ts';
import type {
  ReportedTrial,
  SweepComparison,
  SweepReport,
  SweepResult,
} from '../../contracts/sweep-results.ts';
import { jsonBytes } from '../../contracts/text-bytes.ts';
import { expandSweep } from './sweep-space.ts';

export function sweepReport(sweep: string, plan: SweepPlan, state: SweepState): SweepReport {
  const planned = expandSweep(plan);
  const trials = state.trials.flatMap((one, place): readonly ReportedTrial[] => {
    const trial = planned.trialAt(place) ?? state.added[place - planned.count];
    return trial === undefined ? [] : [{ ...trial, state: one }];
  });
  const { config, metric } = plan;
  const starts = plan.starts && Object.values(plan.starts).map(({ from }) => from);
  const leaderboard = leaderboardOf(trials, metric);
  return { sweep, config, metric, trials, leaderboard, ...(starts && { starts }) };
}

/** Rows that a workflow's result has room for: they are as long as a config's parameters. */
const MOST_RESULT_BYTES = 500_000;

export function sweepResult({ sweep, leaderboard, trials }: SweepReport): SweepResult {
  const counted = (status: string) => trials.filter(({ state }) => state.status === status).length;
  const [waiting, running, paused, stopped, failed, finished] = TRIAL_STATUSES.map(counted);
  const rows = fitting(leaderboard);
  const omittedRows = leaderboard.length - rows.length;
  return {
    sweep,
    leaderboard: rows,
    ...(omittedRows > 0 && { omittedRows }),
    counts: {
      waiting: waiting ?? 0,
      running: running ?? 0,
      paused: paused ?? 0,
      stopped: stopped ?? 0,
      failed: failed ?? 0,
      finished: finished ?? 0,
    },
    gpuHours: trials.reduce((sum, { state }) => sum + state.gpuHours, 0),
  };
}

/** A comparison as a workflow's result may have it: the first rows, and all regressions by name. */
export function fittingComparison(comparison: SweepComparison): SweepComparison {
  const rows = fitting(comparison.rows);
  const omittedRows = comparison.rows.length - rows.length;
  return { ...comparison, rows, ...(omittedRows > 0 && { omittedRows }) };
}

function fitting<T>(rows: readonly T[]): readonly T[] {
  let bytes = 0;
  const end = rows.findIndex((row) => (bytes += jsonBytes(row)) > MOST_RESULT_BYTES);
  return end < 0 ? rows : rows.slice(0, end);
}
