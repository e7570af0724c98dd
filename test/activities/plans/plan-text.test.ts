import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planText } from '../../../activities/plans/plan-text.ts';
import { planSchema } from '../../../activities/storage/schemas.ts';
import type { Overrides, Plan } from '../../../contracts/plan.ts';
import { stagePlan } from '../../fixtures/stage-plan.ts';

const SHA = 'a'.repeat(64);

test('a plan is written as a text that reads back as the plan', () => {
  const plan = planWith({ SOLVER: { BASE_LR: 1e-7 }, A: [null, true, '😀\u2028'] });
  assert.deepEqual(JSON.parse(planText(plan, planSchema, 'plan.json')), plan);
});

test('a plan that would not read back as it is, or not at all, is never written', () => {
  const cut: Plan = { ...planWith({}), stages: [{ ...stage({}), maxIterations: 1.5 }] };
  for (const [plan, why] of [
    [
      planWith({ SOLVER: { BASE_LR: Number.POSITIVE_INFINITY } }),
      /BASE_LR is not written: Infinity is no number that JSON has/,
    ],
    [planWith({ SOLVER: { BASE_LR: Number.NaN } }), /BASE_LR is not written: NaN is no number/],
    [
      planWith({ A: Array.from({ length: 200_000 }, () => 'text') }),
      /plan\.json is not written: it has \d+ bytes/,
    ],
    [cut, /plan\.json is not written: plan\.json is not what this version writes: .*maxIterations/s],
    [{ ...planWith({}), more: 1 }, /plan\.json is not written: it would be read back as another plan/],
  ] as const) {
    assert.throws(() => planText(plan, planSchema, 'plan.json'), { type: 'InvalidConfig', message: why });
  }
});

function stage(overrides: Overrides): Plan['stages'][number] {
  return {
    ...stagePlan('default'),
    weights: { kind: 'checkout', path: 'weights/r50.pth', sha256: SHA, sizeBytes: 1 },
    settingsSha256: SHA,
    overrides,
  };
}

function planWith(overrides: Overrides): Plan {
  return { run: 'a', config: 'joint/a', variant: 'Lite', stages: [stage(overrides)], warnings: [] };
}
