import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareSweeps, leaderboardOf } from '../../contracts/leaderboard.ts';
import { twoSidedP } from '../../contracts/student-t.ts';
import { AP, trialWith } from '../fixtures/sweep-report.ts';

const slow = { lr: 0.01 };
const fast = { lr: 0.1 };

test('the best trial is the best by the mean over its seeds, not by a lucky one', () => {
  const [row] = leaderboardOf(
    [
      trialWith([50], { parameters: fast, seed: 1 }),
      trialWith([10], { parameters: fast, seed: 2 }),
      trialWith([40], { parameters: slow, seed: 1 }),
      trialWith([42], { parameters: slow, seed: 2 }),
    ],
    AP,
  );
  assert.deepEqual(row, {
    group: 'odinw/Rabbits',
    parameters: slow,
    trial: 'rabbits-lr0.01-s2',
    best: 42,
    mean: 41,
    std: Math.SQRT2,
    n: 2,
    finished: true,
    iterations: 100,
  });
});

test('each data set has a row, in the order of their names; where smaller is better, the smallest wins', () => {
  const trials = [
    trialWith([3], { group: 'b' }),
    trialWith([1], { group: 'a' }),
    trialWith([2], { group: 'a', parameters: slow }),
  ];
  const rows = (goal: 'max' | 'min') =>
    leaderboardOf(trials, { name: 'loss', goal }).map(({ group, mean }) => [group, mean]);
  assert.deepEqual(rows('max'), [
    ['a', 2],
    ['b', 3],
  ]);
  assert.deepEqual(rows('min'), [
    ['a', 1],
    ['b', 3],
  ]);
});

test('one that was stopped early is no match for one that came to its end; without any, the furthest are compared', () => {
  const stopped = [
    trialWith([90], { parameters: fast, status: 'stopped' }),
    trialWith([10, 80], { parameters: slow, status: 'stopped' }),
  ];
  assert.equal(leaderboardOf([...stopped, trialWith([5, 6, 7])], AP)[0]?.mean, 7);
  const [row] = leaderboardOf(stopped, AP);
  assert.deepEqual([row?.mean, row?.finished, row?.iterations], [80, false, 200]);
  assert.deepEqual(leaderboardOf([trialWith([], { status: 'failed' })], AP), []);
});

test('the leaderboard is the same in whatever order trials ended', () => {
  const trials = [1, 2, 3].flatMap((seed) =>
    [0.1, 0.2].map((lr) => trialWith([20.1 / seed], { parameters: { lr }, seed })),
  );
  assert.equal(
    JSON.stringify(leaderboardOf(trials, AP)),
    JSON.stringify(leaderboardOf(trials.toReversed(), AP)),
  );
});

test('p-values are those of printed tables', () => {
  // The two-sided 5 % points of Student's t.
  for (const [degrees, t] of [
    [1, 12.7062],
    [2, 4.30265],
    [4, 2.77645],
    [10, 2.22814],
    [30, 2.04227],
    [1000, 1.96234],
  ] as const) {
    assert.ok(Math.abs(twoSidedP(t, degrees) - 0.05) < 1e-5, `${degrees}: ${twoSidedP(t, degrees)}`);
  }
  assert.ok(Math.abs(twoSidedP(0.5, 3) - 0.651) < 1e-3);
  assert.ok(Math.abs(twoSidedP(1, 1) - 0.5) < 1e-9);
  assert.equal(twoSidedP(Infinity, 2), 0);
});

test('a fall by more than the noise of seeds is a regression, one within it is none', () => {
  const before = board('a', { steady: [50, 50.2, 49.8], noisy: [50, 60, 40] });
  const after = board('b', { steady: [48, 48.2, 47.8], noisy: [45, 55, 35] });
  const { rows, regressions, byChance } = compareSweeps(before, after, AP);
  assert.deepEqual(
    rows.map(({ group, verdict }) => [group, verdict]),
    [
      ['noisy', 'within noise'],
      ['steady', 'worse'],
    ],
  );
  assert.deepEqual(regressions, ['steady']);
  assert.ok(Math.abs(byChance - 0.1) < 1e-12);
  const steady = rows[1];
  assert.ok(Math.abs((steady?.difference ?? 0) + 2) < 1e-9);
  assert.ok(Math.abs((steady?.noise ?? 0) - 0.2 * Math.sqrt(2 / 3)) < 1e-9);
  assert.deepEqual(compareSweeps(after, before, AP).rows[1]?.verdict, 'better');
  assert.deepEqual(compareSweeps(after, before, { name: 'loss', goal: 'min' }).rows[1]?.verdict, 'worse');
});

test('one seed is compared by the noise of the other side; two single ones tell nothing', () => {
  const single = board('a', { set: [60] });
  assert.equal(compareSweeps(single, board('b', { set: [50, 50.1, 49.9] }), AP).rows[0]?.verdict, 'worse');
  const unknown = compareSweeps(single, board('b', { set: [50] }), AP);
  assert.deepEqual([unknown.rows[0]?.verdict, unknown.regressions, unknown.byChance], ['unknown', [], 0]);
});

test('seeds without any noise: the slightest difference counts, and none does not', () => {
  const before = board('a', { same: [50, 50], less: [50, 50] });
  const { rows } = compareSweeps(before, board('b', { same: [50, 50], less: [49.9, 49.9] }), AP);
  assert.deepEqual(
    rows.map(({ verdict }) => verdict),
    ['worse', 'within noise'],
  );
});

test('data sets that came or went are named as such', () => {
  const { rows } = compareSweeps(board('a', { old: [1, 2] }), board('b', { fresh: [1, 2] }), AP);
  assert.deepEqual(
    rows.map(({ group, verdict }) => [group, verdict]),
    [
      ['fresh', 'new'],
      ['old', 'gone'],
    ],
  );
});

function board(sweep: string, values: Readonly<Record<string, readonly number[]>>) {
  const trials = Object.entries(values).flatMap(([group, all]) =>
    all.map((value, seed) => trialWith([value], { group, seed })),
  );
  return { sweep, leaderboard: leaderboardOf(trials, AP) };
}
