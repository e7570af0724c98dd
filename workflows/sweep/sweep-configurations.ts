/**
 * @module Configurations: trials of a group that differ in their seed alone. They are judged by the mean over their
 * seeds, and continue together: a sweep that let seeds compete would keep the lucky one and know no spread. Pure.
 */
import type { MetricReport, SweepRules, TrialState } from '../../contracts/sweep.ts';
import { iterationsAt } from './sweep-state.ts';

/** Trials of one configuration, in the order of their places. */
export type Configuration = readonly TrialState[];

export interface Ranking {
  /** Those that may still continue from the rung, or have, the best first. */
  readonly ranked: readonly Configuration[];
  /** How many have a mean there. */
  readonly reported: number;
}

export function groupsOf(trials: readonly TrialState[]): readonly (readonly TrialState[])[] {
  return groupedBy(trials, ({ group }) => group);
}

export function configurationsOf(group: readonly TrialState[]): readonly Configuration[] {
  return groupedBy(group, ({ id, configuration }) => configuration ?? `trial ${id}`);
}

/** Configurations of one group at a rung. Of equals, the one that was planned first. */
export function rankingAt(
  { metric, rule }: Pick<SweepRules, 'metric' | 'rule'>,
  configurations: readonly Configuration[],
  rung: number,
): Ranking {
  const iterations = iterationsAt(rule, rung);
  const reported = configurations.flatMap((configuration) => {
    const mean = iterations === undefined ? undefined : meanAt(configuration, iterations);
    return mean === undefined ? [] : [{ configuration, mean }];
  });
  const sign = metric.goal === 'max' ? -1 : 1;
  const ranked = reported
    .filter(({ configuration }) => configuration.some(isInPlay))
    .sort((a, b) => sign * (a.mean - b.mean))
    .map(({ configuration }) => configuration);
  return { ranked, reported: reported.length };
}

/** Those of its trials that rest at `rung`. */
export function restingAt(configuration: Configuration, rung: number): readonly TrialState[] {
  return configuration.filter((trial) => trial.status === 'paused' && trial.rung === rung);
}

/** One of its seeds was promoted from `rung`: the others follow, however the rung has changed since. */
export function hasLeft(configuration: Configuration, rung: number): boolean {
  return configuration.some((trial) => trial.rung > rung);
}

/**
 * The mean over seeds after so many iterations. Undefined while a seed that may still get there has not. A seed that
 * failed or was stopped before has no part in it.
 */
export function meanAt(configuration: Configuration, iterations: number): number | undefined {
  const values: number[] = [];
  for (const trial of configuration) {
    const report = trial.reports.find((one) => one.iterations === iterations);
    if (report !== undefined) values.push(report.value);
    else if (isInPlay(trial) && trial.status !== 'finished') return undefined;
  }
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The means over seeds, as far as all of them got. */
export function meansOf(configuration: Configuration): readonly MetricReport[] {
  const all = configuration.flatMap(({ reports }) => reports.map(({ iterations }) => iterations));
  const ascending = [...new Set(all)].sort((a, b) => a - b);
  return ascending.flatMap((iterations) => {
    const value = meanAt(configuration, iterations);
    return value === undefined ? [] : [{ iterations, value }];
  });
}

function isInPlay({ status }: TrialState): boolean {
  return status !== 'failed' && status !== 'stopped';
}

function groupedBy<T>(items: readonly T[], keyOf: (item: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
