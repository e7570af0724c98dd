import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ConfigError } from '../../../planning/reading/problems.ts';
import type { FindArtifact } from '../../../planning/resolve-weights.ts';
import { loadSweepPlan } from '../../../planning/sweeps/load-sweep.ts';
import { expandSweep, trialSettings } from '../../../planning/sweeps/sweep-space.ts';
import { followedRuns, withStarts } from '../../../planning/sweeps/sweep-starts.ts';
import { temporaryFolder, writeInto } from '../../fixtures/glee-checkout.ts';

const HEAD = 'base: finetune/base\nmetric: { name: bbox/AP }\nconcurrency: 1\n';
const LR = 'grid: { overrides.SOLVER.BASE_LR: [0.1, 0.2] }\n';

test('all trials begin from the newest final weights that a run has when the sweep is planned', async (t) => {
  const plan = await withStarts(
    await planOf(t, HEAD + LR, 'weights: { run: lite-1 }'),
    finished(['stage1', 'stage2']),
  );
  assert.deepEqual(plan.starts, { 'lite-1': { from: 'lite-1/stage2@20', sha256: 'stage2' } });
  assert.deepEqual(weightsOf(plan), [{ from: 'lite-1/stage2@20' }, { from: 'lite-1/stage2@20' }]);
  const later = await withStarts(plan, finished(['stage1', 'stage2', 'stage3']));
  const inputs = [plan, later].map((one) => [...expandSweep(one).trials()].map((trial) => trial.inputs));
  assert.notDeepEqual(inputs[0], inputs[1]);
});

test('runs are followed wherever they are named; a stage, a checkpoint or a file stays what it is', async (t) => {
  const grid = 'grid: { weights: [{ run: plus-1 }, { run: lite-1, stage: stage1 }, { from: a/b@3 }] }\n';
  const plan = await planOf(t, HEAD + grid, 'weights: { path: model_zoo/x.pth }');
  assert.deepEqual(followedRuns(plan), ['plus-1']);
  assert.deepEqual(weightsOf(await withStarts(plan, finished(['finetune']))), [
    { from: 'plus-1/finetune@20' },
    { run: 'lite-1', stage: 'stage1' },
    { from: 'a/b@3' },
  ]);
  const dotted = await planOf(t, `${HEAD}grid: { weights.run: [lite-1, lite-2] }\n`, '');
  assert.deepEqual(followedRuns(dotted), ['lite-1', 'lite-2']);
});

test('a sweep that follows nothing has the plan that it always had', async (t) => {
  const plan = await planOf(t, HEAD + LR, '');
  assert.equal(await withStarts(plan, finished([])), plan);
});

test('a run without final weights is told with its name', async (t) => {
  const plan = await planOf(t, HEAD + LR, 'weights: { run: lite-1 }');
  await assert.rejects(withStarts(plan, finished([])), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, /sweeps\/one: weights.run: run 'lite-1' has no final weights in S3/);
    return true;
  });
});

function finished(stages: readonly string[]): FindArtifact {
  return (run, stage) =>
    Promise.resolve(
      stages.includes(stage)
        ? {
            name: `${run}/${stage}`,
            bucket: 'glee',
            key: 'key',
            sha256: stage,
            sizeBytes: 1,
            iterations: 20,
            configFile: '',
          }
        : undefined,
    );
}

async function planOf(t: TestContext, sweep: string, weights: string) {
  const folder = await temporaryFolder(t);
  await writeInto(folder, 'sweeps/one.yaml', sweep);
  await writeInto(folder, 'finetune/base.yaml', `task: odinw/Rabbits\nvariant: Lite\n${weights}\n`);
  return loadSweepPlan('sweeps/one', folder);
}

function weightsOf(plan: Awaited<ReturnType<typeof planOf>>) {
  return [...expandSweep(plan).trials()].map(({ parameters }) => trialSettings(plan, parameters).weights);
}
