/** @module Whether a sweep's budget has room for one more segment. Pure. */
import type { StoppingRule, SweepLimits, SweepState, TrialState } from '../../contracts/sweep.ts';
import { nextRungOf } from './sweep-state.ts';

/**
 * Tells whether `trial`'s next segment would probably end beyond the budget, with what runs and what was `chosen` to start.
 * A segment costs what segments to its rung have cost on average; while none has ended, nothing is known, and it may begin:
 * what runs is stopped when the budget is spent, so it is overdrawn by one segment of each that runs, at most.
 */
export function beyondBudget(
  { rule, limits }: { readonly rule: StoppingRule; readonly limits: SweepLimits },
  { trials }: SweepState,
): (chosen: readonly TrialState[], trial: TrialState) => boolean {
  const limit = limits.gpuHours;
  if (limit === undefined) return () => false;
  const costs = costsByRung(rule, trials);
  const expected = (one: TrialState, rung: number) => Math.max(0, (costs.get(rung) ?? 0) - one.gpuHours);
  const running = trials
    .filter(({ status }) => status === 'running')
    .reduce((sum, one) => sum + expected(one, one.rung), 0);
  const spent = trials.reduce((sum, { gpuHours }) => sum + gpuHours, 0);
  return (chosen, trial) => {
    const reserved =
      running + [...chosen, trial].reduce((sum, one) => sum + expected(one, nextRungOf(one)), 0);
    return spent + reserved > limit;
  };
}

/** GPU-hours of a whole trial up to the end of its segment to a rung, on average, of those that got there and no further. */
function costsByRung(rule: StoppingRule, trials: readonly TrialState[]): ReadonlyMap<number, number> {
  const sums = new Map<number, { sum: number; n: number }>();
  for (const { status, rung, gpuHours, reused, reports } of trials) {
    const isThere =
      status === 'paused' || status === 'finished' || (status === 'stopped' && rule.kind !== 'none');
    if (!isThere || reused || reports.length === 0) continue;
    const { sum, n } = sums.get(rung) ?? { sum: 0, n: 0 };
    sums.set(rung, { sum: sum + gpuHours, n: n + 1 });
  }
  return new Map([...sums].map(([rung, { sum, n }]) => [rung, sum / n]));
}
