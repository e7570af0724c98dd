import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  LONGEST_GROUP_BYTES,
  LONGEST_PARAMETERS_BYTES,
  MOST_ADDED_TRIALS,
  MOST_GROUPS,
  MOST_SWEEP_REPORTS,
  MOST_TRIALS,
} from '../../contracts/sweep-bounds.ts';
import {
  answerOf,
  packSweepState,
  parseCarriedSweep,
  unpackSweepState,
} from '../../contracts/sweep-packing.ts';
import type { SweepEvent, SweepState, Trial } from '../../contracts/sweep.ts';
import { jsonBytes } from '../../contracts/text-bytes.ts';
import { afterEvent, newSweepState } from '../../workflows/sweep/sweep-state.ts';

/** What Temporal takes, with room for what is around the payload. */
const MOST_PAYLOAD_BYTES = 2_000_000;
const RULES = {
  metric: { name: 'bbox/AP', goal: 'max' },
  rule: { kind: 'median', rungs: [100_000, 200_000, 300_000], atLeast: 3 },
  limits: { concurrency: 1000 },
} as const;

test('at the most trials, all reported at each rung and failed for reasons of their own, no payload is above 2 MB', () => {
  const state = largest((place) => `TrainerCrashed: rank ${place} said ${'\u{1f4a5}\\"'.repeat(5000)}`);
  const packed = packSweepState(state);
  const begun = state.trials.slice(0, 1000).map(({ id }) => `s.${id}`.padEnd(63, 'x'));
  const input = { config: 'sweeps/large', carried: { rules: RULES, state: packed, begun } };
  for (const [what, value] of [
    ['the input of the next execution', input],
    ['the input of the activity that keeps it', { sweep: 's', state: packed }],
    ['the answer to a query', answerOf(state)],
  ] as const) {
    assert.ok(jsonBytes(value) < MOST_PAYLOAD_BYTES, `${what} has ${jsonBytes(value)} bytes`);
  }
  const carried = parseCarriedSweep(input.carried);
  assert.ok(carried.ok, carried.ok ? '' : carried.problem);
  assert.equal(carried.value.state.trials.length, MOST_TRIALS);
});

test('what crosses a continue-as-new is as it was: reports to the last digit, texts, flags and added trials', () => {
  const events: readonly SweepEvent[] = [
    { kind: 'started', trial: 'a' },
    {
      kind: 'segment ended',
      trial: 'a',
      report: { iterations: 9, value: 0.1 + 0.2 },
      gpuHours: 1 / 3,
      final: false,
    },
    { kind: 'promoted by a person', trial: 'a' },
    { kind: 'started', trial: 'b' },
    { kind: 'asked to stop', trial: 'b', why: 'no use (ada)' },
    { kind: 'added', trial: addedTrial(1) },
  ];
  const begun = newSweepState([
    { id: 'a', group: 'x', configuration: 'c' },
    { id: 'b', group: 'y' },
  ]);
  const rule = { kind: 'asha', rungs: [9], reductionFactor: 2 } as const;
  const state = events.reduce((now, event) => afterEvent(rule, now, event), begun);
  const unpacked = unpackSweepState(JSON.parse(JSON.stringify(packSweepState(state))));
  assert.ok(unpacked.ok);
  assert.deepEqual(unpacked.value, {
    ...state,
    trials: state.trials.map((trial) => ({ ...trial, gpuHours: Number(trial.gpuHours.toPrecision(8)) })),
  });
  assert.equal(answerOf(state), state, 'a small state is answered whole');
});

test('a why is kept on one line, without control characters, and short', () => {
  const running = afterEvent({ kind: 'none' }, newSweepState([{ id: 'a', group: 'g' }]), {
    ...{ kind: 'started', trial: 'a' },
  });
  const why = `\u001b]0;owned\u0007line one\nline \u202etwo ${'x'.repeat(3_000_000)}`;
  const failed = afterEvent({ kind: 'none' }, running, { kind: 'failed', trial: 'a', why, gpuHours: 1 });
  const kept = failed.trials[0]?.why ?? '';
  assert.match(kept, /^\]0;owned line one line {1,2}two x+…$/);
  assert.ok(jsonBytes(kept) < 310, String(jsonBytes(kept)));
});

for (const [what, carried] of [
  ['a number', 5],
  ['nothing in it', {}],
  ['a state without trials', { rules: RULES, state: {}, begun: [] }],
  [
    'trials that are no lists',
    { rules: RULES, state: { groups: [], whys: [], trials: [{}], added: [] }, begun: [] },
  ],
  [
    'a group that is not there',
    {
      rules: RULES,
      state: { groups: [], whys: [], trials: [['a', '', 0, 0, 0, 0, 0, -1]], added: [] },
      begun: [],
    },
  ],
  [
    'one trial twice',
    { rules: RULES, state: { groups: ['g'], whys: [], trials: [trialA(), trialA()], added: [] }, begun: [] },
  ],
  [
    'an iteration without a value',
    { rules: RULES, state: { groups: ['g'], whys: [], trials: [[...trialA(), 9]], added: [] }, begun: [] },
  ],
  [
    'a reason that is not there',
    {
      rules: RULES,
      state: { groups: ['g'], whys: [], trials: [['a', '', 0, 0, 0, 0, 0, 3]], added: [] },
      begun: [],
    },
  ],
  [
    'more added trials than trials',
    { rules: RULES, state: { groups: [], whys: [], trials: [], added: [addedTrial(1)] }, begun: [] },
  ],
  [
    'a reduction that lets all continue',
    {
      rules: { ...RULES, rule: { kind: 'asha', rungs: [1], reductionFactor: 1 } },
      state: emptyState(),
      begun: [],
    },
  ],
  ['a rule that is none', { rules: { ...RULES, rule: { kind: 'luck' } }, state: emptyState(), begun: [] }],
  ['no concurrency', { rules: { ...RULES, limits: { concurrency: 0 } }, state: emptyState(), begun: [] }],
] as const) {
  test(`a carried sweep with ${what} is refused by what is wrong with it`, () => {
    const parsed = parseCarriedSweep(carried);
    assert.ok(!parsed.ok);
    assert.ok(parsed.problem.length > 0 && parsed.problem.length < 400, parsed.problem);
  });
}

function trialA(): readonly unknown[] {
  return ['a', '', 0, 0, 0, 0, 0, -1];
}

function emptyState() {
  return packSweepState(newSweepState([]));
}

/** At all of the bounds together. */
function largest(why: (place: number) => string): SweepState {
  const rule = RULES.rule;
  const names = Array.from({ length: MOST_TRIALS - MOST_ADDED_TRIALS }, (_, place) => ({
    id: `t${place}`.padEnd(40, 'x'),
    group: `g${place % MOST_GROUPS}`.padEnd(LONGEST_GROUP_BYTES, 'y'),
    configuration: String(place).padStart(12, '0'),
  }));
  const added = Array.from({ length: MOST_ADDED_TRIALS }, (_, place) => addedTrial(place, 1950));
  const state = added.reduce(
    (now, trial) => afterEvent(rule, now, { kind: 'added', trial }),
    newSweepState(names),
  );
  const reports = [...rule.rungs, 1_000_000];
  assert.equal(reports.length * MOST_TRIALS, MOST_SWEEP_REPORTS);
  const kept = afterWhy(why);
  return {
    ...state,
    trials: state.trials.map((trial, place) => ({
      ...trial,
      status: 'failed',
      rung: 3,
      reports: reports.map((iterations) => ({ iterations, value: 0.1234567890123456 + place })),
      gpuHours: 1234.567890123 + place,
      why: kept(place),
    })),
  };
}

/** As an event keeps it. */
function afterWhy(why: (place: number) => string): (place: number) => string {
  const running = afterEvent(RULES.rule, newSweepState([{ id: 'a', group: 'g' }]), {
    kind: 'started',
    trial: 'a',
  });
  return (place) =>
    afterEvent(RULES.rule, running, { kind: 'failed', trial: 'a', why: why(place), gpuHours: 1 }).trials[0]
      ?.why ?? '';
}

function addedTrial(place: number, bytes = 10): Trial {
  assert.ok(bytes < LONGEST_PARAMETERS_BYTES);
  return {
    id: `mine-${place}`.padEnd(40, 'x'),
    group: 'y'.repeat(LONGEST_GROUP_BYTES),
    parameters: { task: 'z'.repeat(bytes) },
    seed: place,
    configuration: String(place).padStart(12, '0'),
    inputs: String(place).padStart(64, '0'),
  };
}
