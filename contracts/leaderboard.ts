/** @module The best trial of each group, and what got better or worse from one sweep to another. Pure. */
import type { ConfigValue } from './plan.ts';
import { twoSidedP } from './student-t.ts';
import type { Objective } from './sweep.ts';
import type {
  ComparedRow,
  LeaderboardRow,
  ReportedTrial,
  SweepComparison,
  ComparisonVerdict,
} from './sweep-results.ts';

/** Chance of calling a difference one where there is none. */
export const SIGNIFICANCE = 0.05;

/**
 * One row a group, in the order of their names. Trials that differ in their seed alone count as one, by the mean of
 * their last values; of equals, the one with more seeds. Only those that came to their end, where any did: a value
 * after fewer iterations is no match for one after all.
 */
export function leaderboardOf(
  trials: readonly ReportedTrial[],
  metric: Objective,
): readonly LeaderboardRow[] {
  const rows = [...groupedBy(trials, ({ group }) => group)].flatMap(([group, all]) => {
    const finished = all.filter(
      ({ state }) => state.status === 'finished' && lastOf({ state }) !== undefined,
    );
    const candidates = finished.length > 0 ? finished : furthestOf(all);
    const entries = [...groupedBy(candidates, ({ parameters }) => textOf(parameters)).values()];
    const summaries = entries.map((repeats) => summaryOf(group, repeats, metric, finished.length > 0));
    const best = summaries.sort((a, b) => compareRows(a, b, metric))[0];
    return best === undefined ? [] : [best];
  });
  return rows.sort((a, b) => (a.group < b.group ? -1 : 1));
}

/**
 * By group, the difference of the best trials' means against the noise of their seeds: Student's two-sample t-test
 * with pooled variance, two-sided, at 5 %. The noise is taken to be the same in both sweeps, so one seed on one side
 * is enough where the other side repeats; where neither does, nothing can be told. A regression is a group that is
 * worse by this test. It is not corrected for the number of groups: how many to expect by chance is said instead.
 */
export function compareSweeps(
  before: { readonly sweep: string; readonly leaderboard: readonly LeaderboardRow[] },
  after: { readonly sweep: string; readonly leaderboard: readonly LeaderboardRow[] },
  metric: Objective,
): SweepComparison {
  const groups = [...new Set([...before.leaderboard, ...after.leaderboard].map(({ group }) => group))].sort();
  const rows = groups.map((group) =>
    compareRow(
      group,
      before.leaderboard.find((row) => row.group === group),
      after.leaderboard.find((row) => row.group === group),
      metric,
    ),
  );
  return {
    before: before.sweep,
    after: after.sweep,
    rows,
    regressions: rows.filter(({ verdict }) => verdict === 'worse').map(({ group }) => group),
    byChance: rows.filter(({ p }) => p !== undefined).length * SIGNIFICANCE,
  };
}

function compareRow(
  group: string,
  before: LeaderboardRow | undefined,
  after: LeaderboardRow | undefined,
  { goal }: Objective,
): ComparedRow {
  if (before === undefined || after === undefined) {
    return { group, ...(before && { before }), ...(after && { after }), verdict: before ? 'gone' : 'new' };
  }
  const difference = after.mean - before.mean;
  const degrees = before.n + after.n - 2;
  // Values after different numbers of iterations differ by more than noise.
  if (degrees === 0 || before.finished !== after.finished) {
    return { group, before, after, difference, verdict: 'unknown' };
  }
  const squares = (row: LeaderboardRow) => (row.n - 1) * (row.std ?? 0) ** 2;
  const noise = Math.sqrt(((squares(before) + squares(after)) / degrees) * (1 / before.n + 1 / after.n));
  const p = difference === 0 ? 1 : twoSidedP(difference / noise, degrees);
  return {
    group,
    before,
    after,
    difference,
    noise,
    p,
    verdict: verdictOf(p, goal === 'max' ? difference : -difference),
  };
}

function verdictOf(p: number, gain: number): ComparisonVerdict {
  if (p >= SIGNIFICANCE) return 'within noise';
  return gain > 0 ? 'better' : 'worse';
}

function summaryOf(
  group: string,
  repeats: readonly ReportedTrial[],
  { goal }: Objective,
  finished: boolean,
): LeaderboardRow {
  const values = repeats.map((trial) => ({ trial, value: lastOf(trial)?.value ?? NaN }));
  const sign = goal === 'max' ? -1 : 1;
  // In an order of their own: a sum of floats depends on it, and leaderboards are compared byte for byte.
  values.sort((a, b) => sign * (a.value - b.value) || (a.trial.id < b.trial.id ? -1 : 1));
  const [best] = values;
  const n = values.length;
  const mean = values.reduce((sum, { value }) => sum + value, 0) / n;
  const squares = values.reduce((sum, { value }) => sum + (value - mean) ** 2, 0);
  return {
    group,
    parameters: best?.trial.parameters ?? {},
    trial: best?.trial.id ?? '',
    best: best?.value ?? NaN,
    mean,
    ...(n > 1 && { std: Math.sqrt(squares / (n - 1)) }),
    n,
    finished,
    iterations: Math.max(...repeats.map((trial) => lastOf(trial)?.iterations ?? 0)),
  };
}

function compareRows(a: LeaderboardRow, b: LeaderboardRow, { goal }: Objective): number {
  const byMean = goal === 'max' ? b.mean - a.mean : a.mean - b.mean;
  return byMean || b.n - a.n || (a.trial < b.trial ? -1 : 1);
}

/** Those that trained as long as any of the group has. */
function furthestOf(trials: readonly ReportedTrial[]): readonly ReportedTrial[] {
  const most = Math.max(0, ...trials.map((trial) => lastOf(trial)?.iterations ?? 0));
  return most === 0 ? [] : trials.filter((trial) => lastOf(trial)?.iterations === most);
}

function lastOf({ state }: Pick<ReportedTrial, 'state'>) {
  return state.reports.at(-1);
}

/** Order of the keys makes no difference. */
function textOf(parameters: Readonly<Record<string, ConfigValue>>): string {
  return JSON.stringify(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function groupedBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
