import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoppingRule, SweepState, TrialState } from '../../../contracts/sweep.ts';
import type { SweepRules } from '../../../contracts/sweep.ts';
import { nextSteps } from '../../../workflows/sweep/sweep-rungs.ts';
import { afterEvent, newSweepState, orderProblem } from '../../../workflows/sweep/sweep-state.ts';
import { runSweep, xorshift, type WorldOptions, type WorldTrial } from './sweep-world.ts';

/** `GLEE_SEED=7 npm test -- sweep-rungs` repeats what went wrong. */
const SEED = Number(process.env.GLEE_SEED ?? Date.now() % 1_000_000);
const MAX = 900;
const ASHA: StoppingRule = { kind: 'asha', rungs: [100, 300], reductionFactor: 3 };
const MEDIAN: StoppingRule = { kind: 'median', rungs: [200, 400, 600], atLeast: 3 };
const NONE: StoppingRule = { kind: 'none' };

test(`whatever order things end and fail in, the promises hold (GLEE_SEED=${SEED})`, () => {
  const seen = { failed: 0, stopped: 0, finished: 0 };
  for (let round = 0; round < 300; round += 1) {
    const random = xorshift(SEED + round);
    const rule = [ASHA, MEDIAN, NONE][round % 3] ?? NONE;
    const count = 1 + Math.floor(random() * 40);
    const options = world(rule, count, random, {
      groups: 1 + Math.floor(random() * 3),
      concurrency: 1 + Math.floor(random() * 6),
      ...(round % 2 === 0 && { gpuHours: count * 3 * random() }),
      failures: round % 5 === 0 ? 0 : 0.05,
      seeds: 1 + Math.floor(random() * 3),
    });
    try {
      for (const { status } of runSweep(options).state.trials) {
        if (status === 'failed' || status === 'stopped' || status === 'finished') seen[status] += 1;
      }
    } catch (error) {
      throw new Error(`round ${round}`, { cause: error });
    }
  }
  // Or the promises would hold for lack of anything to promise.
  for (const count of Object.values(seen)) assert.ok(count > 100, JSON.stringify(seen));
});

test(`people may stop, promote and add trials at any time (GLEE_SEED=${SEED})`, () => {
  for (let round = 0; round < 100; round += 1) {
    const random = xorshift(SEED + round);
    const options = world(ASHA, 12, random, { failures: 0.05, seeds: 1 + (round % 3) });
    const { state } = runSweep(options, (state) => {
      const trial = state.trials[Math.floor(random() * state.trials.length)]?.id ?? '';
      const dice = random();
      if (dice < 0.02) return { kind: 'stopped by a person', trial, why: 'no use' };
      if (dice < 0.04) return { kind: 'promoted by a person', trial };
      if (dice > 0.06 || state.added.length > 4) return undefined;
      const id = `mine-${state.added.length}`;
      return { kind: 'added', trial: { id, group: 'g0', parameters: {}, seed: 1, inputs: id } };
    });
    assert.equal(state.trials.length, 12 + state.added.length);
  }
});

test('successive halving saves at least half of the iterations and keeps the winner', () => {
  const savings = Array.from({ length: 100 }, (_, round) => {
    const options = world(ASHA, 27, xorshift(round), { concurrency: 4 });
    const { state, iterations } = runSweep(options);
    const best = [...options.trials].sort((a, b) => b.curve(MAX) - a.curve(MAX))[0];
    const finished = state.trials.filter(({ status }) => status === 'finished').map(({ id }) => id);
    assert.ok(finished.includes(best?.id ?? ''), `the winner is lost in round ${round}`);
    return 1 - iterations / (27 * MAX);
  });
  assert.ok(Math.min(...savings) >= 0.5, `it saved ${Math.min(...savings).toFixed(2)}`);
});

test('the median rule saves something and keeps the winner', () => {
  for (let round = 0; round < 50; round += 1) {
    const options = world(MEDIAN, 27, xorshift(round), { concurrency: 4 });
    const { state, iterations } = runSweep(options);
    const best = [...options.trials].sort((a, b) => b.curve(MAX) - a.curve(MAX))[0];
    assert.equal(state.trials.find(({ id }) => id === best?.id)?.status, 'finished');
    assert.ok(iterations < 27 * MAX, 'it stopped nothing');
  }
});

test('no rung waits for its slowest trial', () => {
  let state = afterStarts(newSweepState(trials(4, 1)), 't0', 't1', 't2', 't3');
  const rule: StoppingRule = { ...ASHA, reductionFactor: 2 };
  state = atRung(rule, atRung(rule, state, 't1', 0.2), 't2', 0.4);
  assert.deepEqual(nextSteps({ ...rules(rule), limits: { concurrency: 4 } }, state), [
    { kind: 'start', trial: 't2', place: 2, until: 300 },
  ]);
});

test('data sets are not compared with each other', () => {
  const two = [
    { id: 'easy', group: 'a' },
    { id: 'hard', group: 'b' },
  ];
  const rule: StoppingRule = { ...ASHA, reductionFactor: 2 };
  const started = afterStarts(newSweepState(two), 'easy', 'hard');
  const state = atRung(rule, atRung(rule, started, 'easy', 0.9), 'hard', 0.1);
  assert.deepEqual(
    nextSteps(rules(rule), state).map(({ kind, trial }) => [kind, trial]),
    [
      ['start', 'easy'],
      ['start', 'hard'],
    ],
  );
});

test('where the leader fails, the next best continues to the end', () => {
  let state = afterStarts(newSweepState(trials(3, 1)), 't0', 't1', 't2');
  for (const [id, value] of [
    ['t0', 0.3],
    ['t1', 0.2],
    ['t2', 0.1],
  ] as const)
    state = atRung(ASHA, state, id, value);
  state = afterStarts(state, 't0');
  assert.deepEqual(nextSteps(rules(ASHA), state), []);
  state = afterEvent(ASHA, state, { kind: 'failed', trial: 't0', why: 'HostLost', gpuHours: 1 });
  assert.deepEqual(nextSteps(rules(ASHA), state), [{ kind: 'start', trial: 't1', place: 1, until: 300 }]);
});

test('an event that is told twice, or after the end, changes nothing', () => {
  const running = afterStarts(newSweepState(trials(1, 1)), 't0');
  const ended = {
    kind: 'segment ended',
    trial: 't0',
    report: { iterations: 9, value: 1 },
    gpuHours: 1,
    final: true,
  } as const;
  const over = afterEvent(NONE, running, ended);
  assert.equal(over.trials[0]?.status, 'finished');
  for (const event of [
    ended,
    { kind: 'started', trial: 't0' },
    { kind: 'failed', trial: 't0', why: '', gpuHours: 9 },
  ] as const) {
    assert.equal(afterEvent(NONE, over, event), over);
  }
  assert.equal(afterEvent(NONE, running, { kind: 'started', trial: 't0' }), running);
});

test('a trial that ends without a value of the metric has failed', () => {
  const running = afterStarts(newSweepState(trials(1, 1)), 't0');
  for (const report of [undefined, { iterations: 900, value: NaN }]) {
    const ended = {
      kind: 'segment ended',
      trial: 't0',
      gpuHours: 1,
      final: true,
      ...(report && { report }),
    } as const;
    const after: TrialState | undefined = afterEvent(NONE, running, ended).trials[0];
    assert.equal(after?.status, 'failed');
    assert.match(after.why ?? '', /without a value of the metric/);
  }
});

test('a person stops a running trial: it is asked, and over when it says so', () => {
  let state = afterStarts(newSweepState(trials(1, 1)), 't0');
  state = afterEvent(NONE, state, { kind: 'stopped by a person', trial: 't0', why: 'ann: no use' });
  assert.deepEqual(nextSteps(rules(NONE), state), [{ kind: 'stop', trial: 't0', why: 'ann: no use' }]);
  state = afterEvent(NONE, state, { kind: 'asked to stop', trial: 't0', why: 'ann: no use' });
  assert.deepEqual(nextSteps(rules(NONE), state), []);
  state = afterEvent(NONE, state, { kind: 'segment ended', trial: 't0', gpuHours: 1, final: false });
  assert.equal(orderProblem(state, 't0'), "trial 't0' is stopped");
});

test('2,000 trials end, and their state stays below 400 kB of JSON', () => {
  const random = xorshift(3);
  const options = world(ASHA, 2000, random, { groups: 13, concurrency: 64, failures: 0.01 });
  let largest = 0;
  let calls = 0;
  runSweep(options, (state) => {
    if ((calls += 1) % 500 === 0) largest = Math.max(largest, JSON.stringify(state).length);
    return undefined;
  });
  assert.ok(largest > 0 && largest < 400_000, String(largest));
});

function world(
  rule: StoppingRule,
  count: number,
  random: () => number,
  {
    groups = 1,
    concurrency = 3,
    gpuHours,
    failures = 0,
    seeds = 1,
  }: { groups?: number; concurrency?: number; gpuHours?: number; failures?: number; seeds?: number },
): WorldOptions {
  return {
    rules: {
      metric: { name: 'bbox/AP', goal: 'max' },
      rule,
      limits: { concurrency, ...(gpuHours !== undefined && { gpuHours }) },
    },
    trials: trials(count, groups, seeds).map((trial) => ({ ...trial, curve: curveOf(random) })),
    maxIterations: MAX,
    gpuHoursPerIteration: 0.01,
    random,
    failures,
  };
}

/** Curves that rise to a height of their own and cross early on, as those of learning rates do. */
function curveOf(random: () => number): WorldTrial['curve'] {
  const height = random();
  const pace = 20 + 30 * random();
  return (iterations) => height * (1 - Math.exp(-iterations / pace));
}

/** Seeds change fastest, as in a plan. */
function trials(count: number, groups: number, seeds = 1) {
  return Array.from({ length: count }, (_, index) => {
    const configuration = Math.floor(index / seeds);
    const name = { id: `t${index}`, group: `g${configuration % groups}` };
    return seeds === 1 ? name : { ...name, configuration: `c${configuration}` };
  });
}

function rules(rule: StoppingRule): SweepRules {
  return { metric: { name: 'bbox/AP', goal: 'max' }, rule, limits: { concurrency: 8 } };
}

function afterStarts(state: SweepState, ...ids: readonly string[]): SweepState {
  return ids.reduce((now, trial) => afterEvent(ASHA, now, { kind: 'started', trial }), state);
}

function atRung(rule: StoppingRule, state: SweepState, trial: string, value: number): SweepState {
  const report = { iterations: 100, value };
  return afterEvent(rule, state, { kind: 'segment ended', trial, report, gpuHours: 1, final: false });
}
