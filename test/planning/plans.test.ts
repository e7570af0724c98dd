import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plan, StagePlan } from '../../contracts/plan.ts';
import type { InitialWeights } from '../../contracts/training.ts';
import { planDifferences } from '../../planning/plan-differences.ts';
import { settingsSha256, stageInputs } from '../../planning/inputs-checksum.ts';

const WEIGHTS: InitialWeights = { kind: 'checkout', path: 'weights/a.pth', sha256: 'ab', sizeBytes: 1 };
const STAGE: StagePlan = {
  stage: 'stage1',
  configFile: 'a.yaml',
  weights: WEIGHTS,
  overrides: { SOLVER: { MAX_ITER: 300, STEPS: [100] }, DATASETS: { TRAIN: ['a'] } },
  settingsSha256: 'aa',
  gang: { hosts: 2, gpusPerHost: 2 },
  pool: 'default',
  maxIterations: 300,
  checkpointPeriod: 25,
  limits: { heartbeatTimeoutMs: 1, hostTimeoutMs: 1, stallTimeoutMs: 1, attemptsWithoutProgress: 1 },
};
const PLAN: Plan = { run: 'lite-1', config: 'joint/lite', variant: 'Lite', stages: [STAGE], warnings: [] };

test('settings have one checksum in whatever order they are written, and whatever only steers', () => {
  const settings = { SOLVER: { MAX_ITER: 300, CHECKPOINT_PERIOD: 20 }, DATASETS: { TRAIN: ['a'] } };
  const same = {
    DATASETS: { TRAIN: ['a'] },
    OUTPUT_DIR: '/x',
    SOLVER: { CHECKPOINT_PERIOD: 50, MAX_ITER: 300 },
  };
  const other = { ...settings, SOLVER: { MAX_ITER: 301 } };
  assert.match(settingsSha256(settings), /^[0-9a-f]{64}$/);
  assert.equal(settingsSha256(same), settingsSha256(settings));
  assert.notEqual(settingsSha256(other), settingsSha256(settings));
});

test('limits, pool and the place of the weights do not change the inputs', () => {
  const other: StagePlan = { ...STAGE, pool: 'b', limits: { ...STAGE.limits, stallTimeoutMs: 9 } };
  assert.equal(stageInputs(other, { ...WEIGHTS, path: 'elsewhere.pth' }), stageInputs(STAGE, WEIGHTS));
});

test('settings, gang and the content of the weights change the inputs', () => {
  const inputs = [
    stageInputs(STAGE, WEIGHTS),
    stageInputs({ ...STAGE, settingsSha256: 'bb' }, WEIGHTS),
    stageInputs({ ...STAGE, gang: { hosts: 1, gpusPerHost: 4 } }, WEIGHTS),
    stageInputs(STAGE, { ...WEIGHTS, sha256: 'cd' }),
  ];
  assert.equal(new Set(inputs).size, inputs.length);
});

test('plans that train the same do not differ, whatever their limits, pool, name and warnings', () => {
  const limits = { ...STAGE.limits, hostTimeoutMs: 7 };
  const other: Plan = {
    ...PLAN,
    config: 'joint/other',
    stages: [{ ...STAGE, pool: 'b', limits }],
    warnings: [{ level: 'warning', file: 'a', key: '', message: 'b' }],
  };
  assert.deepEqual(planDifferences(PLAN, other), []);
});

test('differences are told by key, old and new', () => {
  const other: Plan = {
    ...PLAN,
    variant: 'Plus',
    stages: [
      {
        ...STAGE,
        overrides: { SOLVER: { MAX_ITER: 500 } },
        maxIterations: 500,
        checkpointPeriod: 20,
        weights: { kind: 'stage', stage: 'stage1' },
      },
      { ...STAGE, stage: 'stage2' },
    ],
  };
  assert.deepEqual(planDifferences(PLAN, other), [
    'variant: Lite → Plus',
    'stages.stage1.weights: weights/a.pth (sha256 ab) → from stage1',
    'stages.stage1.overrides.SOLVER.MAX_ITER: 300 → 500',
    'stages.stage1.overrides.SOLVER.STEPS: [100] → (none)',
    'stages.stage1.overrides.DATASETS.TRAIN: ["a"] → (none)',
    'stages.stage2: not trained → trained',
  ]);
});

test('an edited GLEE config is a difference, although the overrides are the same', () => {
  const edited: Plan = { ...PLAN, stages: [{ ...STAGE, settingsSha256: 'bb' }] };
  assert.deepEqual(planDifferences(PLAN, edited), [
    'stages.stage1.configFile: a.yaml or its _BASE_ was changed in the checkout',
  ]);
});
