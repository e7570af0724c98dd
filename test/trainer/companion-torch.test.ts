import assert from 'node:assert/strict';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { execa } from 'execa';
import { classifyExit } from '../../activities/training/crashes/classify.ts';
import { readCoverage } from '../../activities/training/progress/weights-coverage.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { fixture } from '../activities/training/jobs.ts';
import { temporaryFolder } from '../fixtures/glee-checkout.ts';
import { DETECTRON2_PYTHON } from './detectron2-python.ts';

test('the companion measures and refuses under torch and fvcore as it does in the sandbox', async (t) => {
  const python = await pythonWithFvcore(t);
  if (python === undefined) return;
  const checkout = await temporaryFolder(t);
  const script = join(checkout, 'projects/GLEE/train_net.py');
  await mkdir(join(checkout, 'projects/GLEE'), { recursive: true });
  await cp(fixture('spawns-with-torch.py'), script);
  await execa(python, [script, 'make', checkout]);
  const load = (weights: string) => {
    const env = { GLEE_COVERAGE_FILE: join(checkout, 'coverage.json'), GLEE_COVERAGE_LIMIT: '0.5' };
    const companion = join(packageRoot, 'trainer/companion.py');
    return execa(python, [companion, weights], { cwd: checkout, env, reject: false });
  };

  const whole = await load('whole.pth');
  assert.equal(whole.exitCode, 0, whole.stderr);
  assert.match(whole.stderr, /^glee: initial weights whole\.pth match 100 % of the model's parameters$/m);
  assert.deepEqual(await readCoverage({ folder: checkout }), { keys: 1, parameters: 1 });
  assert.match(whole.stdout, /^rank 1 trains$/m);

  const head = await load('head.pth');
  assert.equal(head.exitCode, 1);
  assert.doesNotMatch(head.stdout, /rank 0 trains/);
  const { type, line } = classifyExit({ code: 1, signal: null, at: 0 }, head.stderr);
  assert.equal(type, 'WrongWeights');
  assert.equal(
    line,
    "glee: initial weights head.pth match 3.2 % of the model's parameters (limit 50 %); not matched: glee.backbone. (2 keys, 30.1 k parameters)",
  );
});

/** A Python that has both; where there is none the test is skipped. */
async function pythonWithFvcore(t: TestContext): Promise<string | undefined> {
  const look =
    'import sys; from importlib.util import find_spec as f; sys.exit(not (f("torch") and f("fvcore")))';
  for (const candidate of ['python3', '/usr/bin/python3', DETECTRON2_PYTHON]) {
    const { failed } = await execa(candidate, ['-c', look], { reject: false });
    if (!failed) return candidate;
  }
  t.skip(`neither python3, /usr/bin/python3 nor ${DETECTRON2_PYTHON} has torch and fvcore`);
  return undefined;
}
