import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestSavePeriod, meanSecondsToFailure } from '../../contracts/save-period.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

test('a stall of 20 s and a failure every 5 to 19 days ask for a save every 1.2 to 2.3 hours', () => {
  const hours = [5, 19].map((days) => bestSavePeriod(20, days * DAY) / HOUR);
  assert.deepEqual(
    hours.map((value) => Number(value.toFixed(1))),
    [1.2, 2.3],
  );
});

test('what a stage has seen outweighs what is assumed, the more the longer it has trained', () => {
  assert.equal(meanSecondsToFailure(0, 0), 10 * DAY);
  assert.ok(meanSecondsToFailure(HOUR, 9) < 1.1 * DAY);
  assert.ok(Math.abs(meanSecondsToFailure(1000 * DAY, 99) / (10 * DAY) - 1) < 0.02);
});

test('a save that costs next to nothing is not asked for without end, nor one that costs much never', () => {
  assert.equal(bestSavePeriod(0, DAY), 10);
  assert.equal(bestSavePeriod(10_000, 100 * DAY), DAY);
});
