import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoppingRule, SweepRules, SweepState } from '../../../contracts/sweep.ts';
import { nextSteps } from '../../../workflows/sweep/sweep-rungs.ts';
import { afterEvent, newSweepState } from '../../../workflows/sweep/sweep-state.ts';
import { runSweep, xorshift } from './sweep-world.ts';

const ASHA: StoppingRule = { kind: 'asha', rungs: [100, 300], reductionFactor: 2 };
const MEDIAN: StoppingRule = { kind: 'median', rungs: [100, 300], atLeast: 1 };
const RULES: SweepRules = {
  metric: { name: 'bbox/AP', goal: 'max' },
  rule: ASHA,
  limits: { concurrency: 16 },
};

/** Two seeds of each of these configurations, `a-s1`, `a-s2`, `b-s1`, … */
function seeded(...configurations: readonly string[]): SweepState {
  return newSweepState(
    configurations.flatMap((configuration) =>
      [1, 2].map((seed) => ({ id: `${configuration}-s${seed}`, group: 'g', configuration })),
    ),
  );
}

function reached(state: SweepState, values: Readonly<Record<string, number>>, iterations = 100): SweepState {
  return Object.entries(values).reduce((now, [trial, value]) => {
    const running = afterEvent(ASHA, now, { kind: 'started', trial });
    const ended = {
      kind: 'segment ended',
      trial,
      report: { iterations, value },
      gpuHours: 1,
      final: false,
    } as const;
    return afterEvent(ASHA, running, ended);
  }, state);
}

function starts(state: SweepState, rules = RULES): readonly string[] {
  return nextSteps(rules, state).flatMap(({ kind, trial }) => (kind === 'start' ? [trial] : []));
}

test('a sweep with two seeds ends with both seeds of the winner, and so with a spread', () => {
  for (const rule of [ASHA, MEDIAN]) {
    const heights = new Map(['a', 'b', 'c', 'd'].map((name, index) => [name, 0.2 + 0.1 * index]));
    const { state } = runSweep({
      rules: { ...RULES, rule, limits: { concurrency: 3 } },
      trials: seeded('a', 'b', 'c', 'd').trials.map((trial) => ({
        ...trial,
        // Seed 2 of each is far luckier than seed 1: among rivals, luck would decide.
        curve: (iterations) =>
          (heights.get(trial.configuration ?? '') ?? 0) +
          (trial.id.endsWith('s2') ? 5 : 0) +
          iterations / 1e6,
      })),
      maxIterations: 900,
      gpuHoursPerIteration: 0.01,
      random: xorshift(7),
    });
    const finished = state.trials.filter(({ status }) => status === 'finished').map(({ id }) => id);
    assert.ok(finished.includes('d-s1') && finished.includes('d-s2'), `${rule.kind}: ${finished.join(', ')}`);
    const together = new Map<string, Set<string>>();
    for (const { configuration = '', status } of state.trials)
      together.set(configuration, (together.get(configuration) ?? new Set()).add(status));
    for (const [name, statuses] of together)
      assert.equal(statuses.size, 1, `seeds of ${name} were separated`);
  }
});

test('a rung is decided by the mean over seeds, not by the luckiest one', () => {
  const state = reached(seeded('lucky', 'good'), {
    'lucky-s1': 0.9,
    'lucky-s2': 0.1,
    'good-s1': 0.6,
    'good-s2': 0.7,
  });
  assert.deepEqual(starts(state), ['good-s1', 'good-s2']);
});

test('a configuration is not judged before all of its seeds are at the rung', () => {
  const three = { 'a-s1': 0.9, 'b-s1': 0.2, 'b-s2': 0.1 };
  let state = reached(seeded('a', 'b'), three);
  assert.deepEqual(starts(state), ['a-s2'], 'its other seed begins, and nothing is promoted');
  state = afterEvent(ASHA, state, { kind: 'started', trial: 'a-s2' });
  assert.deepEqual(starts(state), []);
  assert.deepEqual(starts(reached(state, { 'a-s2': 0.8 })), ['a-s1', 'a-s2']);
});

test('a failed seed does not hold its configuration back: the others stand for it', () => {
  let state = reached(seeded('a', 'b'), { 'a-s1': 0.9, 'b-s1': 0.2, 'b-s2': 0.1 });
  state = afterEvent(ASHA, state, { kind: 'started', trial: 'a-s2' });
  state = afterEvent(ASHA, state, { kind: 'failed', trial: 'a-s2', why: 'TrainerCrashed', gpuHours: 1 });
  assert.deepEqual(starts(state), ['a-s1']);
});

test('seeds of a promoted configuration follow it, though the rung has filled with better ones since', () => {
  let state = reached(seeded('a', 'b', 'c', 'd'), { 'a-s1': 0.5, 'a-s2': 0.5, 'b-s1': 0.1, 'b-s2': 0.1 });
  // One host is free: one seed continues.
  state = afterEvent(ASHA, state, { kind: 'started', trial: 'a-s1' });
  state = reached(state, { 'c-s1': 0.9, 'c-s2': 0.9, 'd-s1': 0.8, 'd-s2': 0.8 });
  assert.ok(starts(state).includes('a-s2'), starts(state).join(', '));
});

test('a trial that a person promotes takes its seeds along', () => {
  let state = reached(seeded('a', 'b'), { 'a-s1': 0.1, 'a-s2': 0.1, 'b-s1': 0.9, 'b-s2': 0.9 });
  state = afterEvent(ASHA, state, { kind: 'promoted by a person', trial: 'a-s2' });
  state = afterEvent(ASHA, state, { kind: 'started', trial: 'a-s2' });
  assert.deepEqual([...starts(state)].sort(), ['a-s1', 'b-s1', 'b-s2']);
});

test('the median rule compares configurations: the unlucky seed of a good one continues', () => {
  const state = reached(seeded('a', 'b', 'c'), {
    ...{ 'a-s1': 0.1, 'a-s2': 0.9, 'b-s1': 0.4, 'b-s2': 0.4, 'c-s1': 0.2, 'c-s2': 0.2 },
  });
  assert.deepEqual(starts(state, { ...RULES, rule: MEDIAN }), ['a-s1', 'a-s2', 'b-s1', 'b-s2']);
});

test('a trial that reached its own end before a rung has finished, and nothing waits for it there', () => {
  let state = reached(seeded('short', 'long'), { 'long-s1': 0.5, 'long-s2': 0.5, 'short-s1': 0.3 });
  state = afterEvent(ASHA, state, { kind: 'started', trial: 'short-s2' });
  const report = { iterations: 60, value: 0.2 };
  state = afterEvent(ASHA, state, {
    kind: 'segment ended',
    trial: 'short-s2',
    report,
    gpuHours: 1,
    final: true,
  });
  assert.deepEqual(
    state.trials.map(({ status }) => status),
    ['paused', 'finished', 'paused', 'paused'],
  );
  assert.deepEqual(starts(state), ['long-s1', 'long-s2']);
});

test('when all fail at the first rung, the sweep is over and nothing is started again', () => {
  let state = seeded('a', 'b');
  for (const { id: trial } of state.trials) {
    state = afterEvent(ASHA, state, { kind: 'started', trial });
    state = afterEvent(ASHA, state, { kind: 'failed', trial, why: 'InvalidConfig: no', gpuHours: 0.5 });
  }
  assert.deepEqual(nextSteps(RULES, state), []);
});

test('of equals the one that was planned first continues, whatever order they ended in', () => {
  const values = { 'a-s1': 0.5, 'a-s2': 0.5, 'b-s1': 0.5, 'b-s2': 0.5 };
  const backwards = Object.fromEntries(Object.entries(values).toReversed());
  assert.deepEqual(starts(reached(seeded('a', 'b'), values)), ['a-s1', 'a-s2']);
  assert.deepEqual(starts(reached(seeded('a', 'b'), backwards)), ['a-s1', 'a-s2']);
});

test('hours of failed and stopped segments count against the budget', () => {
  const rules: SweepRules = { ...RULES, limits: { concurrency: 1, gpuHours: 3 } };
  let state = afterEvent(ASHA, seeded('a', 'b'), { kind: 'started', trial: 'a-s1' });
  state = afterEvent(ASHA, state, { kind: 'failed', trial: 'a-s1', why: 'TrainerCrashed', gpuHours: 3 });
  assert.deepEqual(
    nextSteps(rules, state).map(({ kind }) => kind),
    ['give up', 'give up', 'give up'],
  );
  for (const gpuHours of [NaN, -5, Infinity]) {
    const odd = afterEvent(ASHA, afterEvent(ASHA, seeded('a'), { kind: 'started', trial: 'a-s1' }), {
      ...{ kind: 'failed', trial: 'a-s1', why: 'clock', gpuHours },
    });
    assert.equal(odd.trials[0]?.gpuHours, 0);
  }
});
