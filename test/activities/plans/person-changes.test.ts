import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPlanned } from '../../../activities/plans/person-changes.ts';
import type { Overrides, Plan } from '../../../contracts/plan.ts';
import { stagePlan } from '../../fixtures/stage-plan.ts';

/** As a config gives it whose settings are these. */
function planOf(solver: Overrides & { readonly MAX_ITER: number }): Plan {
  const stage = { ...stagePlan('default'), maxIterations: solver.MAX_ITER, overrides: { SOLVER: solver } };
  return { run: 'lite-1', config: 'joint/lite', variant: 'Lite', stages: [stage], warnings: [] };
}

const frozen = planOf({ MAX_ITER: 100, BASE_LR: 0.1, STEPS: [50] });

test('a config that says what people changed is the plan that was frozen', () => {
  const changes = { stage1: { maxIterations: 200, learningRate: 0.2 } };
  assert.deepEqual(
    asPlanned(frozen, planOf({ MAX_ITER: 200, BASE_LR: 0.2, STEPS: [50] }), changes).stages[0]?.overrides
      .SOLVER,
    { STEPS: [50], MAX_ITER: 100, BASE_LR: 0.1 },
  );
  assert.equal(
    asPlanned(frozen, planOf({ MAX_ITER: 200, BASE_LR: 0.2 }), changes).stages[0]?.maxIterations,
    100,
  );
  assert.deepEqual(asPlanned(frozen, frozen, changes), frozen);
});

test('a config that says anything else differs from it', () => {
  const changes = { stage1: { maxIterations: 200, learningRate: 0.2 } };
  for (const solver of [
    { MAX_ITER: 100, BASE_LR: 0.3 },
    { MAX_ITER: 300, BASE_LR: 0.1 },
  ])
    assert.deepEqual(asPlanned(frozen, planOf(solver), changes), planOf(solver));
  const half = asPlanned(frozen, planOf({ MAX_ITER: 200, BASE_LR: 0.3 }), changes).stages[0];
  assert.deepEqual(half?.overrides.SOLVER, { BASE_LR: 0.3, MAX_ITER: 100 });
  const unchanged = { stage1: { priority: 3 } };
  const other = planOf({ MAX_ITER: 100, BASE_LR: 0.2 });
  assert.deepEqual(asPlanned(frozen, other, unchanged), other);
});
