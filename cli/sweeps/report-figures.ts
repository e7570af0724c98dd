/** @module Figures and words that all forms of a sweep's report share. */
import { TRIAL_STATUSES, type TrialParameters } from '../../contracts/sweep.ts';
import type {
  ComparedRow,
  LeaderboardRow,
  SweepComparison,
  SweepReport,
} from '../../contracts/sweep-results.ts';
import type { ConfigValue } from '../../contracts/plan.ts';

const DIGITS = 4;

export function figure(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '' : String(Number(value.toPrecision(DIGITS)));
}

export function signed(value: number | undefined): string {
  return value !== undefined && value > 0 ? `+${figure(value)}` : figure(value);
}

export function valueText(value: ConfigValue | undefined): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `SOLVER.BASE_LR 0.0001, variant Plus`; what the group is called by is said already. */
export function parametersText(parameters: TrialParameters, group: string): string {
  return Object.entries(parameters)
    .filter(([, value]) => value !== group)
    .map(([key, value]) => `${key.replace(/^overrides\./, '')} ${valueText(value)}`)
    .join(', ');
}

/** `52 trials: 40 finished, 12 stopped. 3.5 GPU-hours.` */
export function summaryText({ trials, starts }: SweepReport): string {
  const counts = TRIAL_STATUSES.flatMap((status) => {
    const count = trials.filter(({ state }) => state.status === status).length;
    return count === 0 ? [] : [`${count} ${status}`];
  });
  const from = starts === undefined ? '' : ` Begun from ${starts.join(', ')}.`;
  const hours = trials.reduce((sum, { state }) => sum + state.gpuHours, 0);
  return `${trials.length} trials: ${counts.join(', ') || 'none'}. ${figure(hours) || '0'} GPU-hours.${from}`;
}

export const LEADERBOARD_HEAD = ['group', 'mean', 'std', 'seeds', 'best', 'parameters', 'trial'] as const;

export function leaderboardCells(row: LeaderboardRow): readonly string[] {
  const { group, mean, std, n, best, parameters, trial, finished, iterations } = row;
  const cut = finished ? '' : ` (unfinished, after ${iterations} iterations)`;
  return [
    group,
    figure(mean),
    figure(std),
    String(n),
    figure(best),
    parametersText(parameters, group),
    trial + cut,
  ];
}

export const COMPARISON_HEAD = ['group', 'before', 'after', 'difference', 'noise', 'p', 'verdict'] as const;

export function comparisonCells(row: ComparedRow): readonly string[] {
  const { group, before, after, difference, noise, p, verdict } = row;
  return [
    group,
    figure(before?.mean),
    figure(after?.mean),
    signed(difference),
    figure(noise),
    figure(p),
    verdict,
  ];
}

/** What the verdicts rest on, and what to make of them. */
export function comparisonText({ before, after, regressions, byChance }: SweepComparison): string {
  const fell =
    regressions.length === 0
      ? 'No group fell by more than its noise.'
      : `Fell by more than its noise: ${regressions.join(', ')}.`;
  return `${after} against ${before}. ${fell} Student's t-test over seeds with pooled variance, two-sided, 5 %; noise is the standard error of the difference. By chance alone ${figure(byChance) || '0'} verdicts would be better or worse.`;
}

export const METRIC_ARROWS = { max: '↑', min: '↓' } as const;
