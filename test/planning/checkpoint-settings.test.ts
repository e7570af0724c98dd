import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { errorsOf, writeConfig } from '../fixtures/joint-config.ts';

async function stage1(t: TestContext, joint: string, own = '') {
  const yaml = `variant: Lite\ngang: { hosts: 1, gpusPerHost: 8 }\n${joint}\nstages:\n  stage1: ${own}\n`;
  const resolved = await (await writeConfig(t, yaml)).resolve();
  const [plan] = resolved.plan?.stages ?? [];
  return { plan, errors: errorsOf(resolved) };
}

test("without a word GLEE's own period counts, and the newest three stay", async (t) => {
  const { plan } = await stage1(t, '');
  assert.deepEqual([plan?.saveEvery, plan?.retention], [undefined, { newest: 3 }]);
});

test("a period is a number of iterations, a duration, or auto; a stage's own goes first", async (t) => {
  const iterations = (await stage1(t, 'checkpointPeriod: 400')).plan;
  assert.equal(iterations?.checkpointPeriod, 400);
  assert.deepEqual(iterations.overrides, { SOLVER: { CHECKPOINT_PERIOD: 400 } });
  const minutes = (await stage1(t, 'checkpointPeriod: auto', '{ checkpointPeriod: 30m }')).plan;
  assert.deepEqual(minutes?.saveEvery, { kind: 'seconds', seconds: 1800 });
  assert.deepEqual((await stage1(t, 'checkpointPeriod: auto')).plan?.saveEvery, { kind: 'auto' });
  assert.match((await stage1(t, 'checkpointPeriod: often')).errors.join(), /:3: checkpointPeriod: .*auto/);
});

test("retention is the run's or the stage's, and keeps at least two", async (t) => {
  const { plan } = await stage1(t, 'retention: { newest: 5, every: 1000 }', '{ retention: { newest: 2 } }');
  assert.deepEqual(plan?.retention, { newest: 2, every: 1000 });
  assert.match((await stage1(t, 'retention: { newest: 1 }')).errors.join(), /:3: retention\.newest: /);
});
