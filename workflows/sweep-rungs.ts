/**
 * @module Which trial to start, promote, stop or give up next, from a sweep's state alone. Pure.
 *
 * Asynchronous successive halving (Li et al., arXiv 1810.05934), by group. Where it differs from Ray Tune's
 * AsyncHyperBandScheduler as its documentation and issues describe it:
 *
 * - A trial rests at a rung and goes on once it is among the best there, as in the paper. Ray decides at once, and one
 *   that is not among the best *so far* is stopped for good: a good trial is lost to early luck of others, and the
 *   first at a rung always goes on, however bad (ray issues 44256, 32634).
 * - It is decided from the reports in the sweep's state. Ray holds rungs in the scheduler's memory, which a restore of
 *   the tuner begins anew (ray issue 30838).
 * - Trials are compared within a group, as APs of two data sets say nothing about each other. Ray has one ladder for all.
 * - A group that is at rest without a finished trial lets its best one go on: with fewer trials than the reduction
 *   factor, and after failures of the leaders, somebody still comes to the end.
 * - Without a budget, trials that wait start before others go on. Ray and the paper have no end of trials to start.
 * - No brackets: one ladder, whose first rung is the grace period.
 */
import type { StoppingRule, SweepRules, SweepState, SweepStep, TrialState } from '../contracts/sweep.ts';
import { beyondBudget } from './sweep-budget.ts';
import { isBelowMedian } from './sweep-median.ts';
import { isOver, iterationsAt, legOf, rungsOf } from './sweep-state.ts';

/** Everything to be done now. Each step, once done, is told as its event: then no step comes twice. */
export function nextSteps(rules: SweepRules, state: SweepState): readonly SweepStep[] {
  const spent = state.trials.reduce((sum, { gpuHours }) => sum + gpuHours, 0);
  if (rules.limits.gpuHours !== undefined && spent >= rules.limits.gpuHours) return endAll(state);
  const stops = state.trials.flatMap(stopOf);
  const starts = startsOf(rules, state);
  const isAtRest = starts.length === 0 && !state.trials.some(({ status }) => status === 'running');
  if (!isAtRest) return [...stops, ...starts, ...restEnds(rules, state)];
  // Something waits or rests, and nothing may begin: the budget has no room for another leg.
  const hopeless = candidates(rules, state).length > 0 ? endAll(state) : restEnds(rules, state);
  return [...stops, ...hopeless];
}

export function isSweepOver(state: SweepState): boolean {
  return state.trials.every(isOver);
}

/** Trials of one group that reported at a rung and may still go on from there, or have, the best first. */
export function rankingAt(
  { metric, rule }: SweepRules,
  group: readonly TrialState[],
  rung: number,
): { readonly ranked: readonly TrialState[]; readonly reported: number } {
  const reported = group.flatMap((trial) => {
    const value = valueAt(rule, trial, rung);
    return value === undefined ? [] : [{ trial, value }];
  });
  const sign = metric.goal === 'max' ? -1 : 1;
  const ranked = reported
    .filter(({ trial }) => trial.status !== 'failed' && trial.status !== 'stopped')
    .sort((a, b) => sign * (a.value - b.value))
    .map(({ trial }) => trial);
  return { ranked, reported: reported.length };
}

/** What is worth a start, the most urgent first: what a person wants is. */
function candidates(rules: SweepRules, state: SweepState): readonly TrialState[] {
  const { trials } = state;
  const wanted = trials.filter((trial) => trial.promoted && isIdle(trial));
  const promotable = groupsOf(trials)
    .flatMap((group) => promotableOf(rules, group))
    .sort((a, b) => b.rung - a.rung);
  const waiting = trials.filter(({ status }) => status === 'waiting');
  // Without a budget each has its first leg anyway: rungs are judged by more reports if those come first. With one,
  // something has to come to its end before it is spent.
  const rest =
    rules.limits.gpuHours === undefined ? [...waiting, ...promotable] : [...promotable, ...waiting];
  return [...new Set([...wanted, ...rest])];
}

function startsOf(rules: SweepRules, state: SweepState): readonly SweepStep[] {
  const running = state.trials.filter(({ status }) => status === 'running');
  const free = rules.limits.concurrency - running.length;
  if (free <= 0) return [];
  const chosen: TrialState[] = [];
  const isBeyond = beyondBudget(rules, state);
  for (const trial of candidates(rules, state)) {
    if (chosen.length >= free) break;
    if (isBeyond(chosen, trial)) continue;
    chosen.push(trial);
  }
  return chosen.map((trial): SweepStep => {
    const until = iterationsAt(rules.rule, legOf(trial));
    const place = state.trials.indexOf(trial);
    return { kind: 'start', trial: trial.id, place, ...(until !== undefined && { until }) };
  });
}

/** Those that rest and are among the best of their rung. */
function promotableOf(rules: SweepRules, group: readonly TrialState[]): readonly TrialState[] {
  const { rule } = rules;
  const rests = group.filter(({ status }) => status === 'paused');
  if (rests.length === 0) return [];
  const found = rule.kind === 'asha' ? topOf(rules, rule, group) : rests.filter(isGoodEnough);
  return found.length > 0 ? found : lastHopeOf(rules, group, rungsOf(rule).length);

  function isGoodEnough(trial: TrialState): boolean {
    return !isBelowMedian(rules, group, trial);
  }
}

function topOf(
  rules: SweepRules,
  { rungs, reductionFactor }: Extract<StoppingRule, { kind: 'asha' }>,
  group: readonly TrialState[],
): readonly TrialState[] {
  return rungs.flatMap((_, rung) => {
    const { ranked, reported } = rankingAt(rules, group, rung);
    const best = ranked.slice(0, Math.floor(reported / reductionFactor));
    return best.filter((trial) => trial.status === 'paused' && trial.rung === rung);
  });
}

/** The best that rests on the highest rung, where nothing else can bring the group to an end. */
function lastHopeOf(rules: SweepRules, group: readonly TrialState[], rungs: number): readonly TrialState[] {
  const isOpen = ({ status }: TrialState) =>
    status === 'running' || status === 'waiting' || status === 'finished';
  if (group.some(isOpen)) return [];
  for (let rung = rungs - 1; rung >= 0; rung -= 1) {
    const best = rankingAt(rules, group, rung).ranked.find(
      (trial) => trial.status === 'paused' && trial.rung === rung,
    );
    if (best !== undefined) return [best];
  }
  return [];
}

/**
 * Those that rest in a group where nothing else will happen. Not earlier: one that rests costs nothing, and takes the
 * place of a leader that fails.
 */
function restEnds(rules: SweepRules, state: SweepState): readonly SweepStep[] {
  return groupsOf(state.trials).flatMap((group) => {
    const rests = group.filter(({ status }) => status === 'paused');
    if (rests.length === 0 || group.some(({ status }) => status === 'running' || status === 'waiting'))
      return [];
    if (rests.some(({ promoted }) => promoted) || promotableOf(rules, group).length > 0) return [];
    const failed = rules.rule.kind === 'median' ? 'below the median of the others' : 'not among the best';
    return rests.map(({ id, rung }) => giveUp(id, `${failed} at rung ${String(rung + 1)}`));
  });
}

/** What a person has asked for. */
function stopOf({ id, status, stopping, why }: TrialState): readonly SweepStep[] {
  if (status !== 'running' || stopping || why === undefined) return [];
  return [{ kind: 'stop', trial: id, why }];
}

function endAll({ trials }: SweepState): readonly SweepStep[] {
  const why = 'the budget is spent';
  return trials.flatMap((trial): readonly SweepStep[] => {
    if (isOver(trial) || trial.stopping) return [];
    return [trial.status === 'running' ? { kind: 'stop', trial: trial.id, why } : giveUp(trial.id, why)];
  });
}

function giveUp(trial: string, why: string): SweepStep {
  return { kind: 'give up', trial, why };
}

function isIdle({ status }: TrialState): boolean {
  return status === 'waiting' || status === 'paused';
}

function valueAt(rule: StoppingRule, trial: TrialState, rung: number): number | undefined {
  const iterations = iterationsAt(rule, rung);
  return trial.reports.find((report) => report.iterations === iterations)?.value;
}

function groupsOf(trials: readonly TrialState[]): readonly (readonly TrialState[])[] {
  const groups = new Map<string, TrialState[]>();
  for (const trial of trials) {
    const group = groups.get(trial.group);
    if (group === undefined) groups.set(trial.group, [trial]);
    else group.push(trial);
  }
  return [...groups.values()];
}
