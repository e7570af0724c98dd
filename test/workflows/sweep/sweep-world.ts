/** @module A pretend world of trials with known learning curves, in which a sweep's decisions are carried out. */
import assert from 'node:assert/strict';
import type { SweepRules, SweepEvent, SweepState, SweepStep, TrialState } from '../../../contracts/sweep.ts';
import { configurationsOf, hasLeft, meanAt } from '../../../workflows/sweep/sweep-configurations.ts';
import { isBelowMedian } from '../../../workflows/sweep/sweep-median.ts';
import { isSweepOver, nextSteps } from '../../../workflows/sweep/sweep-rungs.ts';
import { afterEvent, isOver, iterationsAt, newSweepState } from '../../../workflows/sweep/sweep-state.ts';

export interface WorldTrial {
  readonly id: string;
  readonly group: string;
  readonly configuration?: string;
  /** The metric after so many iterations. */
  curve(iterations: number): number;
}

export interface WorldOptions {
  readonly rules: SweepRules;
  readonly trials: readonly WorldTrial[];
  readonly maxIterations: number;
  readonly gpuHoursPerIteration: number;
  /** From 0 to 1, one after the other; the same for the same seed. */
  readonly random: () => number;
  /** Of a report's chance to be a failure. */
  readonly failures?: number;
}

/** Runs the sweep to its end, in a random order of whatever happens, and checks what must hold after each step. */
export function runSweep(options: WorldOptions, meddle?: (state: SweepState) => SweepEvent | undefined) {
  const { rules, random } = options;
  let state = newSweepState(options.trials);
  const at = new Map<string, number>();
  let steps = 0;
  for (; !isSweepOver(state) && steps < 100_000; steps += 1) {
    for (const step of nextSteps(rules, state)) {
      checkStep(rules, state, step);
      // As at a restore: nothing but its JSON is left of it.
      state = afterEvent(rules.rule, restored(state), eventOf(step));
    }
    checkState(options, state);
    const event = meddle?.(state) ?? somethingHappens(options, state, at, random);
    if (event === undefined) break;
    state = afterEvent(rules.rule, state, event);
  }
  assert.ok(
    isSweepOver(state),
    `it never ends: ${JSON.stringify(state.trials.filter((one) => !isOver(one)))}`,
  );
  const iterations = [...at.values()].reduce((sum, value) => sum + value, 0);
  return { state, iterations, steps };
}

export function xorshift(seed: number): () => number {
  let word = (seed * 2654435761) >>> 0 || 1;
  return () => {
    word ^= word << 13;
    word >>>= 0;
    word ^= word >>> 17;
    word ^= word << 5;
    word >>>= 0;
    return word / 2 ** 32;
  };
}

function restored(state: SweepState): SweepState {
  // Copying thousands of trials at each of thousands of steps would take minutes.
  return state.trials.length > 100 ? state : structuredClone(state);
}

function eventOf(step: SweepStep): SweepEvent {
  switch (step.kind) {
    case 'start':
      return { kind: 'started', trial: step.trial };
    case 'stop':
      return { kind: 'asked to stop', trial: step.trial, why: step.why };
    case 'give up':
      return { kind: 'given up', trial: step.trial, why: step.why };
  }
}

function checkStep(rules: SweepRules, state: SweepState, step: SweepStep): void {
  const trial = state.trials.find(({ id }) => id === step.trial);
  assert.ok(trial, `${step.trial} is none of the sweep's`);
  if (step.kind !== 'start') return;
  assert.notEqual(trial.status, 'running', `${trial.id} would run twice at once`);
  assert.ok(!isOver(trial), `${trial.id} is over`);
  const running = state.trials.filter(({ status }) => status === 'running').length;
  assert.ok(running < rules.limits.concurrency, `one more than ${rules.limits.concurrency} run`);
  if (trial.status === 'paused' && !trial.promoted) checkPromotion(rules, state, trial);
}

/**
 * Its configuration is among the top 1/eta of its rung, or not below the median, or has been promoted from there, or is
 * the best of a group in which no one else would come to an end. Never before all of its seeds are there.
 */
function checkPromotion(rules: SweepRules, state: SweepState, trial: TrialState): void {
  const group = state.trials.filter((one) => one.group === trial.group);
  const configurations = configurationsOf(group);
  const own = configurations.find((one) => one.includes(trial)) ?? [];
  const iterations = iterationsAt(rules.rule, trial.rung) ?? NaN;
  if (rules.rule.kind === 'none') return assert.fail('without a rule nothing rests');
  if (hasLeft(own, trial.rung)) return;
  const mean = meanAt(own, iterations);
  assert.ok(mean !== undefined, `${trial.id} continues before its seeds are there`);
  if (rules.rule.kind === 'median' && !isBelowMedian(rules, configurations, own)) return;
  const there = configurations.flatMap((one) => {
    const value = meanAt(one, iterations);
    return value === undefined ? [] : [{ one, value }];
  });
  const better = there.filter(
    ({ one, value }) => one.some(({ status }) => status !== 'failed' && status !== 'stopped') && value > mean,
  );
  const { rule } = rules;
  if (rule.kind === 'asha' && better.length < Math.floor(there.length / rule.reductionFactor)) return;
  const isOnlyHope = group.every(({ status }) => status !== 'waiting' && status !== 'finished');
  const isBest = better.every(({ one }) => one.every(({ status }) => status !== 'paused'));
  assert.ok(isOnlyHope && isBest, `${trial.id} is not among the best of rung ${trial.rung}`);
}

function checkState(
  { rules: { limits }, maxIterations, gpuHoursPerIteration }: WorldOptions,
  state: SweepState,
) {
  const running = state.trials.filter(({ status }) => status === 'running').length;
  assert.ok(running <= limits.concurrency);
  const spent = state.trials.reduce((sum, { gpuHours }) => sum + gpuHours, 0);
  // What runs is told to stop when the budget is spent, and may end its segment.
  const slack = (limits.concurrency + 1) * maxIterations * gpuHoursPerIteration;
  assert.ok(spent <= (limits.gpuHours ?? Infinity) + slack + 1e-9, `${spent} GPU-hours are spent`);
}

/** The end of a segment or a failure of one of those that run. */
function somethingHappens(
  options: WorldOptions,
  { trials }: SweepState,
  at: Map<string, number>,
  random: () => number,
): SweepEvent | undefined {
  const running = trials.filter(({ status }) => status === 'running');
  const trial = running[Math.floor(random() * running.length)];
  if (trial === undefined) return undefined;
  const before = at.get(trial.id) ?? 0;
  const gpuHours = (iterations: number) => iterations * options.gpuHoursPerIteration;
  if (trial.stopping && random() < 0.5) {
    return { kind: 'segment ended', trial: trial.id, gpuHours: gpuHours(before), final: false };
  }
  const iterations = iterationsAt(options.rules.rule, trial.rung) ?? options.maxIterations;
  at.set(trial.id, iterations);
  if (random() < (options.failures ?? 0)) {
    return { kind: 'failed', trial: trial.id, why: 'TrainerCrashed', gpuHours: gpuHours(iterations) };
  }
  const curve = options.trials.find(({ id }) => id === trial.id);
  const report = { iterations, value: curve?.curve(iterations) ?? 0 };
  const final = iterations >= options.maxIterations;
  return { kind: 'segment ended', trial: trial.id, report, gpuHours: gpuHours(iterations), final };
}
