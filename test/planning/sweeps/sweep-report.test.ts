import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { expandSweep, trialOf } from '../../../planning/sweeps/sweep-space.ts';
import { loadSweepPlan } from '../../../planning/sweeps/load-sweep.ts';
import { sweepReport, sweepResult } from '../../../planning/sweeps/sweep-report.ts';
import { afterEvent, newSweepState } from '../../../workflows/sweep/sweep-state.ts';
import { temporaryFolder, writeInto } from '../../fixtures/glee-checkout.ts';
import { runSweep, xorshift } from '../../workflows/sweep/sweep-world.ts';

const SETS = ['AerialDrone', 'Aquarium', 'Rabbits'];
const YAML = `base: finetune/base
grid:
  task: [${SETS.map((set) => `odinw/${set}`).join(', ')}]
  overrides.SOLVER.BASE_LR: [0.0001, 0.00001]
seeds: 2
metric: { name: bbox/AP }
concurrency: 4
`;

test('a sweep from its file to its leaderboard: the same, byte for byte, in whatever order trials end', async (t) => {
  const plan = await planned(t, YAML);
  const ends = [1, 2, 3].map((seed) => {
    const { state } = runSweep({
      rules: plan,
      trials: [...expandSweep(plan).trials()].map((trial) => ({
        ...trial,
        curve: (iterations) => iterations * (trial.id.includes('lr0.0001') ? 0.1 : 0.05) + trial.seed / 7,
      })),
      maxIterations: 300,
      gpuHoursPerIteration: 0.01,
      random: xorshift(seed),
    });
    return sweepResult(sweepReport('s', plan, state));
  });
  assert.equal(new Set(ends.map((end) => JSON.stringify(end))).size, 1);
  assert.equal(ends[0]?.counts.finished, 12);
  assert.deepEqual(
    ends[0].leaderboard.map(({ group, parameters, n, mean }) => [
      group,
      parameters['overrides.SOLVER.BASE_LR'],
      n,
      mean.toFixed(3),
    ]),
    SETS.map((set) => [`odinw/${set}`, 0.0001, 2, '30.214']),
  );
});

test('a trial that a person added is in the report with its own parameters', async (t) => {
  const plan = await planned(t, YAML);
  const added = trialOf(plan, { task: 'odinw/Pothole', 'overrides.SOLVER.BASE_LR': 0.5 }, 3);
  assert.equal(added.id, 'pothole-lr0.5-s3');
  const state = afterEvent(plan.rule, newSweepState([...expandSweep(plan).trials()]), {
    kind: 'added',
    trial: added,
  });
  const { trials } = sweepReport('s', plan, state);
  assert.equal(trials.length, 13);
  const { state: standing, ...trial } = trials[12] ?? assert.fail();
  assert.deepEqual(trial, added);
  assert.equal(standing.status, 'waiting');
});

async function planned(t: TestContext, yaml: string) {
  const folder = await temporaryFolder(t);
  await writeInto(folder, 'sweeps/mine.yaml', yaml);
  await writeInto(folder, 'finetune/base.yaml', 'variant: Lite\n');
  return loadSweepPlan('sweeps/mine', folder);
}
