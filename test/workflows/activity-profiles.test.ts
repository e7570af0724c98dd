import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { msToNumber } from '@temporalio/common';
import type { ActivityOptions } from '@temporalio/workflow';
import * as profiles from '../../workflows/activity-profiles.ts';
import { stagePlan } from '../fixtures/stage-plan.ts';

const DAY_MS = 86_400_000;
const { limits } = stagePlan('pool');

/** How long an activity is retried that fails at once, each time. */
function retriedForMs({ retry, scheduleToCloseTimeout = '3650 days' }: ActivityOptions): number {
  const most = msToNumber(scheduleToCloseTimeout);
  const { initialInterval = '1s', maximumInterval = '100s', backoffCoefficient = 2 } = retry ?? {};
  let [total, wait] = [0, msToNumber(initialInterval)];
  for (let attempt = 1; attempt < (retry?.maximumAttempts ?? Infinity) && total < most; attempt += 1) {
    total += wait;
    wait = Math.min(wait * backoffCoefficient, msToNumber(maximumInterval));
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
