import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ActivityOptions } from '@temporalio/workflow';
import * as profiles from '../../../workflows/base/activity-profiles.ts';
import { stagePlan } from '../../fixtures/stage-plan.ts';

const DAY_MS = 86_400_000;
const { limits } = stagePlan('pool');

const UNITS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['minute', 60_000],
  ['day', DAY_MS],
]);

/** Of `10 minutes`, `500ms`, or a number of milliseconds. */
function msOf(duration: unknown): number {
  if (typeof duration === 'number') return duration;
  const [, count, unit = ''] = /^(\d+) ?(ms|s|minute|day)s?$/.exec(String(duration)) ?? [];
  return Number(count) * (UNITS.get(unit) ?? Number.NaN);
}

/** How long an activity is retried that fails at once, each time. */
function retriedForMs({ retry, scheduleToCloseTimeout }: ActivityOptions): number {
  const most = msOf(scheduleToCloseTimeout ?? '3650 days');
  const longest = msOf(retry?.maximumInterval ?? '100s');
  let [total, wait] = [0, msOf(retry?.initialInterval ?? '1s')];
  for (let attempt = 1; attempt < (retry?.maximumAttempts ?? Infinity) && total < most; attempt += 1) {
    total += wait;
    wait = Math.min(wait * (retry?.backoffCoefficient ?? 2), longest);
  }
  return Math.min(total, most);
}

describe('an S3 or a Temporal that is away', () => {
  for (const [what, options, least] of [
    ['runs that begin', profiles.planning, 7 * DAY_MS],
    ['small requests of runs', profiles.bookkeeping, 7 * DAY_MS],
    ['checks of sources', profiles.checking, 7 * DAY_MS],
    ['pools that ask holders', profiles.askingHolders, 7 * DAY_MS],
    ['downloads', profiles.fetching, DAY_MS / 2],
    ['sweeps that await trials', profiles.awaitingTrial, 7 * DAY_MS],
    ['attempts that open', profiles.opening('gpu-1', limits), DAY_MS],
    ['trainings', profiles.training('gpu-1', limits), DAY_MS],
  ] as const) {
    it(`is waited for by ${what}`, () =>
      assert.ok(retriedForMs(options) >= least, String(retriedForMs(options))));
  }

  it('is the answer within minutes where a person waits', () => {
    assert.ok(retriedForMs(profiles.planningNow) <= 180_000);
    assert.ok(retriedForMs(profiles.answering) <= 15_000);
  });
});
