import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { LITE, writeInto } from '../fixtures/glee-checkout.ts';
import { artifact, errorsOf, writeConfig } from '../fixtures/joint-config.ts';

const EVA02 = 'weights/converted_EVA02_m38m_psz14to16.pth';
const PLUS_2 = 'projects/GLEE/configs/images/Plus/Stage2_joint_training_CLIPteacher_SwinL.yaml';
const ARTIFACTS = [
  artifact('lite-0/stage1', LITE.stage1),
  artifact('lite-0/stage2', LITE.stage2),
  artifact('plus-0/stage2', PLUS_2),
  artifact('lite-0/stage1@500', LITE.stage1),
  artifact('lite-0/stage2@500', LITE.stage2),
  artifact('plus-0/stage2@500', PLUS_2),
];

test('a first stage without weights of the stage before is told how to name them', async (t) => {
  const { errors, file } = await stage3(t, '');
  assert.deepEqual(errors, [
    `${file}:4: stages.stage3.weights: stage2 is not in this run, so stage3 must be told where its initial weights are: ` +
      '{ run: <a run that finished stage2>, stage: stage2 }, { artifact: glee-lite-joint } or { path: model_zoo/GLEE_Lite_joint.pth }',
  ]);
});

test('a stage that is left out in the middle is not skipped silently', async (t) => {
  const config = await writeConfig(
    t,
    'variant: Lite\ngang: { hosts: 1, gpusPerHost: 1 }\nstages:\n  stage1:\n  stage3:\n',
  );
  assert.match(errorsOf(await config.resolve()).join(), /stage2 is not in this run/);
});

test('weights of the stage before are taken, from another run or from the checkout', async (t) => {
  for (const weights of [
    '{ run: lite-0, stage: stage2 }',
    '{ path: model_zoo/GLEE_Lite_joint.pth }',
    '{ path: weights/mine.pth }',
  ]) {
    assert.deepEqual((await stage3(t, weights)).errors, [], weights);
  }
});

test('a stage begins from any checkpoint of a run, if it is of the stage before and of the variant', async (t) => {
  assert.deepEqual((await stage3(t, "{ from: 'lite-0/stage2@500' }")).errors, []);
  for (const [weights, reason] of [
    ["{ from: 'lite-0/stage1@500' }", /weights\.from: lite-0\/stage1@500: these weights come from stage1/],
    ["{ from: 'plus-0/stage2@500' }", /are of GLEE-Plus, and this run trains GLEE-Lite/],
    [
      "{ from: 'lite-0/stage2@501' }",
      /S3 has no checkpoint lite-0\/stage2@501: 'glee checkpoints list lite-0'/,
    ],
    ["{ from: 'lite-0/stage2' }", /names no checkpoint: write run\/stage@iterations/],
    ["{ from: 'lite-0/stage2@newest' }", /names no checkpoint/],
    ["{ from: '../stage2@1' }", /names no checkpoint/],
  ] as const) {
    assert.match((await stage3(t, weights)).errors.join(), reason, weights);
  }
});

test('weights of the wrong stage are refused: GLEE would train on without a word', async (t) => {
  for (const [weights, reason] of [
    [
      '{ run: lite-0, stage: stage1 }',
      /weights\.stage: lite-0\/stage1: these weights come from stage1, and stage3 begins from those of stage2/,
    ],
    ['{ run: lite-0, stage: stage3 }', /come from stage3, and stage3 begins from those of stage2/],
    [
      '{ path: model_zoo/GLEE_Lite_pretrain.pth }',
      /weights\.path: model_zoo\/GLEE_Lite_pretrain\.pth: these weights come from stage1/,
    ],
    ['{ path: weights/converted_maskdino_r50_withoutclip.pth }', /are made for the start of stage1/],
    ['{ path: exp/GLEE_Lite_CLIPteacher_scaleup/model_final.pth }', /come from stage3/],
  ] as const) {
    const { errors } = await stage3(t, weights);
    assert.equal(errors.length, 1, weights);
    assert.match(errors.join(), reason);
  }
});

test('weights of another variant are refused', async (t) => {
  for (const weights of ['{ run: plus-0, stage: stage2 }', '{ path: model_zoo/GLEE_Plus_joint.pth }']) {
    assert.match(
      (await stage3(t, weights)).errors.join(),
      /these weights are of GLEE-Plus, and this run trains GLEE-Lite/,
    );
  }
});

test('a run that has not finished the stage is named', async (t) => {
  const { errors, file } = await stage3(t, '{ run: lite-9, stage: stage2 }');
  assert.deepEqual(errors, [
    `${file}:4: stages.stage3.weights.run: run 'lite-9' has no finished stage2 in S3: name a run that has, or a file of the checkout`,
  ]);
});

test('weights that are missing, or outside the checkout, are refused', async (t) => {
  assert.match(
    (await stage3(t, '{ path: weights/gone.pth }')).errors.join(),
    /'weights\/gone\.pth' of stage3 are not in the GLEE checkout/,
  );
  assert.match((await stage3(t, '{ path: /root/a.pth }')).errors.join(), /leads out of the GLEE checkout/);
  assert.match(
    (await stage3(t, '{ path: "https://example.com/a.pth" }')).errors.join(),
    /download it into the checkout/,
  );
});

test('Stage 1 may begin from other weights, as the tutorial advises for larger backbones', async (t) => {
  const config = await writeConfig(
    t,
    'variant: Plus\ngang: { hosts: 1, gpusPerHost: 1 }\nstages:\n  stage1: { weights: { run: lite-0, stage: stage2 } }\n',
    ARTIFACTS,
  );
  assert.deepEqual(errorsOf(await config.resolve()), []);
});

test("Pro's Stage 3 gets the weights of Stage 2, though GLEE's file names those of Stage 1", async (t) => {
  const config = await writeConfig(
    t,
    'variant: Pro\ngang: { hosts: 8, gpusPerHost: 8 }\nstages:\n  stage1:\n  stage2:\n  stage3:\n',
  );
  const { plan, problems } = await config.resolve();
  assert.deepEqual(problems, []);
  assert.deepEqual(plan?.stages[2]?.weights, { kind: 'stage', stage: 'stage2' });
});

async function stage3(t: TestContext, weights: string): Promise<{ errors: string[]; file: string }> {
  const own = weights === '' ? '' : ` { weights: ${weights} }`;
  const config = await writeConfig(
    t,
    `variant: Lite\ngang: { hosts: 1, gpusPerHost: 1 }\nstages:\n  stage3:${own}\n`,
    ARTIFACTS,
  );
  for (const name of ['GLEE_Lite_pretrain', 'GLEE_Lite_joint', 'GLEE_Plus_joint']) {
    await writeInto(config.checkout, `model_zoo/${name}.pth`, name);
  }
  await writeInto(config.checkout, 'weights/mine.pth', 'mine');
  return { errors: errorsOf(await config.resolve()), file: config.file };
}

test('a file that the checkout lacks and the catalogue has is prepared, with all that it is made from', async (t) => {
  const config = await writeConfig(
    t,
    'variant: Pro\ngang: { hosts: 8, gpusPerHost: 8 }\nstages: { stage1: }\n',
  );
  for (const path of ['weights/converted_maskdino_r50_withoutclip.pth', EVA02]) {
    await rm(join(config.checkout, path));
  }
  const { plan, problems } = await config.resolve();
  assert.deepEqual(problems, []);
  assert.deepEqual(plan?.stages[0]?.weights, { kind: 'prepared', artifact: 'maskdino-r50' });
  assert.deepEqual(plan.stages[0].files, [{ artifact: 'eva02-large-converted', path: EVA02 }]);
  assert.deepEqual(
    plan.artifacts?.map(({ name }) => name),
    ['maskdino-r50', 'eva02-large', 'eva02-large-converted'],
  );
});

test('an artifact of the catalogue is taken by its name, and checked as its path tells', async (t) => {
  const config = await stage3(t, '{ artifact: glee-lite-joint }');
  assert.deepEqual(config.errors, []);
  const wrong = await stage3(t, '{ artifact: glee-lite-pretrain }');
  assert.match(wrong.errors.join(), /weights\.artifact: glee-lite-pretrain: these weights come from stage1/);
  const unknown = await stage3(t, '{ artifact: glee-lite-join }');
  assert.match(
    unknown.errors.join(),
    /no artifact 'glee-lite-join' in the catalogue; did you mean 'glee-lite-joint'\?/,
  );
});
