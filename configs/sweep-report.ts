/** @module What a report shows of a sweep: its plan's trials, each with how it stands. */
import { leaderboardOf } from '../contracts/leaderboard.ts';
import {
  TRIAL_STATUSES,
  type ReportedTrial,
  type SweepPlan,
  type SweepReport,
  type SweepResult,
  type SweepState,
} from '../contracts/sweep.ts';
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

export function sweepResult({ sweep, leaderboard, trials }: SweepReport): SweepResult {
  const counted = (status: string) => trials.filter(({ state }) => state.status === status).length;
  const [waiting, running, paused, stopped, failed, finished] = TRIAL_STATUSES.map(counted);
  return {
    sweep,
    leaderboard,
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
