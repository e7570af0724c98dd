/**
 * @module Which trial to start, promote, stop or give up next, from a sweep's state alone. Pure.
 *
 * Asynchronous successive halving (Li et al., arXiv 1810.05934), by group. Where it differs from Ray Tune's
 * AsyncHyperBandScheduler as its documentation and issues describe it:
 *
 * - A trial rests at a rung and continues once it is among the best there, as in the paper. Ray decides at once, and one
 *   that is not among the best *so far* is stopped for good: a good trial is lost to early luck of others, and the
 *   first at a rung always continues, however bad (ray issues 44256, 32634).
 * - It is decided from the reports in the sweep's state. Ray holds rungs in the scheduler's memory, which a restore of
 *   the tuner starts again (ray issue 30838).
 * - Configurations are compared, by the mean over their seeds, and all seeds of one continue together (sweep-configurations.ts).
 *   Ray's schedulers know no seeds: a repeat is a rival.
 * - They are compared within a group, as APs of two data sets say nothing about each other. Ray has one ladder for all.
 * - A group that is at rest without a finished trial lets its best one continue: with fewer trials than the reduction
 *   factor, and after failures of the leaders, someone still comes to the end.
 * - Without a budget, trials that wait start before others continue. Ray and the paper have no end of trials to start.
 * - No brackets: one ladder, whose first rung is the grace period.
 */
import type { SweepRules, SweepState, SweepStep, TrialState } from '../../contracts/sweep.ts';
import { beyondBudget } from './sweep-budget.ts';
import {
  configurationsOf,
  groupsOf,
  hasLeft,
  rankingAt,
  restingAt,
  type Configuration,
} from './sweep-configurations.ts';
import { isBelowMedian } from './sweep-median.ts';
import { isOver, iterationsAt, nextRungOf, rungsOf } from './sweep-state.ts';

/** Everything to be done now. Each step, once done, is told as its event: then no step comes twice. */
export function nextSteps(rules: SweepRules, state: SweepState): readonly SweepStep[] {
  const spent = state.trials.reduce((sum, { gpuHours }) => sum + gpuHours, 0);
  if (rules.limits.gpuHours !== undefined && spent >= rules.limits.gpuHours) return endAll(state);
  const stops = state.trials.flatMap(stopOf);
  const starts = startsOf(rules, state);
  const isAtRest = starts.length === 0 && !state.trials.some(({ status }) => status === 'running');
  if (!isAtRest) return [...stops, ...starts, ...restEnds(rules, state)];
  // Something waits or rests, and nothing may begin: the budget has no room for another segment.
  const hopeless = candidates(rules, state).length > 0 ? endAll(state) : restEnds(rules, state);
  return [...stops, ...hopeless];
}

export function isSweepOver(state: SweepState): boolean {
  return state.trials.every(isOver);
}

/** What is worth a start, the most urgent first: what a person wants is. */
function candidates(rules: SweepRules, state: SweepState): readonly TrialState[] {
  const { trials } = state;
  const wanted = trials.filter((trial) => trial.promoted && isIdle(trial));
  const promotable = groupsOf(trials)
    .flatMap((group) => promotableOf(rules, group))
    .sort((a, b) => b.rung - a.rung);
  const waiting = trials.filter(({ status }) => status === 'waiting');
  // Without a budget each has its first segment anyway: rungs are judged by more reports if those come first. With one,
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
    const until = iterationsAt(rules.rule, nextRungOf(trial));
    const place = state.trials.indexOf(trial);
    return { kind: 'start', trial: trial.id, place, ...(until !== undefined && { until }) };
  });
}

/** Those that rest, and whose configuration is among the best of its rung or has been promoted from there. */
function promotableOf(rules: SweepRules, group: readonly TrialState[]): readonly TrialState[] {
  if (!group.some(({ status }) => status === 'paused')) return [];
  const configurations = configurationsOf(group);
  const found = rungsOf(rules.rule).flatMap((_, rung) => {
    const best = bestAt(rules, configurations, rung);
    const promoted = configurations.filter((one) => hasLeft(one, rung) && !best.includes(one));
    return [...best, ...promoted].flatMap((one) => restingAt(one, rung));
  });
  return found.length > 0 ? found : bestPausedFallback(rules, group, configurations);
}

/** The best first. */
function bestAt(
  rules: SweepRules,
  configurations: readonly Configuration[],
  rung: number,
): readonly Configuration[] {
  const { rule } = rules;
  const { ranked, reported } = rankingAt(rules, configurations, rung);
  switch (rule.kind) {
    case 'none':
      return [];
    case 'asha':
      return ranked.slice(0, Math.floor(reported / rule.reductionFactor));
    case 'median':
      return ranked.filter(
        (one) => restingAt(one, rung).length > 0 && !isBelowMedian(rules, configurations, one),
      );
  }
}

/** The seeds of the best configuration that rests on the highest rung, where nothing else can bring the group to an end. */
function bestPausedFallback(
  rules: SweepRules,
  group: readonly TrialState[],
  configurations: readonly Configuration[],
): readonly TrialState[] {
  const isOpen = ({ status }: TrialState) =>
    status === 'running' || status === 'waiting' || status === 'finished';
  if (group.some(isOpen)) return [];
  for (let rung = rungsOf(rules.rule).length - 1; rung >= 0; rung -= 1) {
    const resting = rankingAt(rules, configurations, rung).ranked.map((one) => restingAt(one, rung));
    const best = resting.find(({ length }) => length > 0);
    if (best !== undefined) return best;
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
    return rests.map(({ id, rung }) => giveUp(id, `${failed} at rung ${rung + 1}`));
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
