import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { execa } from 'execa';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { makeGleeCheckout } from '../../fixtures/glee-checkout.ts';

async function plan(t: TestContext, config: string, ...more: readonly string[]) {
  const command = join(packageRoot, 'dist/cli/glee.js');
  const checkout = await makeGleeCheckout(t, { joint: true });
  const env = { GLEE_CHECKOUT: checkout, GLEE_BUCKET: 'nowhere', AWS_REGION: 'us-east-1', NO_COLOR: '1' };
  return execa(process.execPath, [command, 'plan', config, ...more], { env, reject: false });
}

test('a fine-tune is planned as a joint training is, with what is registered and how checkpoints compare', async (t) => {
  const { stdout, exitCode } = await plan(t, 'finetune/odinw-aquarium-10shot');
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /^finetune\/odinw-aquarium-10shot: GLEE-Plus$/m);
  assert.match(
    stdout,
    /finetune .*images\/Plus\/Stage2_joint.* model_zoo\/GLEE_Plus_joint\.pth .* 1 × 8 GPUs/,
  );
  assert.match(
    stdout,
    /^ {2}odinw13_Aquarium_train: .*\/train\/annotations_without_background\.json, 10 images a category by seed 0$/m,
  );
  assert.match(stdout, /^evaluated on odinw13_Aquarium \(checkpoints: kept; best by bbox\/AP\)$/m);
  assert.match(stdout, /nothing keeps this from running/);
});

test('of a video task it is said that GLEE computes no figure', async (t) => {
  const { stdout } = await plan(t, 'finetune/video-ovis');
  assert.match(
    stdout,
    /^evaluated on ovis_val \(checkpoints: kept; no figure: the newest counts as the best\)$/m,
  );
});

test('a misspelt fine-tune is told with the nearest', async (t) => {
  const { stdout, exitCode } = await plan(t, 'finetune/odinw-rabits', '--json');
  assert.equal(exitCode, 1);
  assert.match(stdout, /no config 'finetune\/odinw-rabits'; did you mean 'finetune\/odinw-rabbits'\?/);
});
