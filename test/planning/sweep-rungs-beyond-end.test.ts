import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { resolveSweepPlan } from '../../planning/sweeps/resolve-sweep.ts';
import { makeGleeCheckout, temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';

const BASE = 'task: odinw/Rabbits\nvariant: Lite\noverrides: { SOLVER: { MAX_ITER: 100 } }\n';

test('a rung at the end of any trial, or beyond it, is refused before anything is spent', async (t) => {
  const rungs = (list: string) => `earlyStopping: { asha: { rungs: [${list}], reductionFactor: 2 } }\n`;
  assert.deepEqual(await errorsOf(t, rungs('50, 99')), []);
  for (const list of ['50, 100', '50, 101'])
    assert.match(
      (await errorsOf(t, rungs(list))).join('\n'),
      /^earlyStopping\.asha\.rungs: .*ends after 100 /,
    );
  const shorter = 'list: [{ overrides.SOLVER.MAX_ITER: 60 }]\n';
  assert.match((await errorsOf(t, rungs('50, 99'), shorter)).join('\n'), /ends after 60 /);
});

async function errorsOf(t: TestContext, rule: string, space = 'grid: { overrides.SOLVER.BASE_LR: [0.1] }\n') {
  const configDirectory = await temporaryFolder(t);
  const head = 'base: finetune/base\nmetric: { name: bbox/AP }\nconcurrency: 1\n';
  await writeInto(configDirectory, 'sweeps/one.yaml', `${head}${space}${rule}`);
  await writeInto(configDirectory, 'finetune/base.yaml', BASE);
  const { plan, problems } = await resolveSweepPlan({
    run: 'sweep-1',
    config: 'sweeps/one',
    configDirectory,
    checkout: await makeGleeCheckout(t, { joint: true }),
    findArtifact: () => Promise.resolve(undefined),
  });
  const errors = problems.filter(({ level }) => level === 'error');
  assert.equal(plan === undefined, errors.length > 0);
  return errors.map(({ key, message }) => `${key}: ${message}`);
}
