/** @module The median stopping rule (Golovin et al., Google Vizier), from reports alone. Pure. */
import type { MetricReport, SweepPlan } from '../../contracts/sweep.ts';
import { meansOf, type Configuration } from './sweep-configurations.ts';

/**
 * True where the best mean of a configuration is worse than the median of the averages that the others of its group
 * had over their means up to the same iteration. Only others that got as far count: failed ones did not learn worse.
 */
export function isBelowMedian(
  { metric, rule }: Pick<SweepPlan, 'metric' | 'rule'>,
  group: readonly Configuration[],
  configuration: Configuration,
): boolean {
  const own = meansOf(configuration);
  const now = own.at(-1)?.iterations;
  if (rule.kind !== 'median' || now === undefined) return false;
  const averages = group
    .filter((one) => one !== configuration)
    .map((one) => meansOf(one.filter(({ status }) => status !== 'failed')))
    .filter((means) => (means.at(-1)?.iterations ?? 0) >= now)
    .map((means) => average(means.filter(({ iterations }) => iterations <= now)))
    .filter((value) => !Number.isNaN(value));
  if (averages.length < rule.atLeast) return false;
  const values = own.map(({ value }) => value);
  return metric.goal === 'max'
    ? Math.max(...values) < median(averages)
    : Math.min(...values) > median(averages);
}

function average(reports: readonly MetricReport[]): number {
  return reports.reduce((sum, { value }) => sum + value, 0) / reports.length;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)] ?? 0;
  return Number.isInteger(half) ? ((sorted[half - 1] ?? 0) + upper) / 2 : upper;
}
