import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeProblem } from '../../planning/reading/problems.ts';
import { resolveJointPlan } from '../../planning/resolve-joint.ts';
import { LITE, makeGleeCheckout, temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';
import { artifact, errorsOf, writeConfig } from '../fixtures/joint-config.ts';

const SWIN = 'weights/swin_large_patch4_window12_384_22k.pth';
const ONE_GPU = 'variant: Lite\ngang: { hosts: 1, gpusPerHost: 1 }\n';
const none = () => Promise.resolve(undefined);

for (const name of ['lite', 'plus', 'pro', 'sandbox']) {
  test(`the shipped config joint/${name} has no problem with GLEE's own files`, async (t) => {
    const checkout = await makeGleeCheckout(t);
    const { plan, problems } = await resolveJointPlan({
      run: `${name}-1`,
      config: `joint/${name}`,
      checkout,
      findArtifact: none,
    });
    const expected = name === 'sandbox' ? /STEPS.*training ends after 300/ : /^$/;
    for (const problem of problems) assert.match(describeProblem(problem), expected);
    assert.deepEqual(
      plan?.stages.map(({ stage }) => stage),
      ['stage1', 'stage2', 'stage3'],
    );
  });
}

test('a plan holds all that a run needs, each stage begun from the one before', async (t) => {
  const config = await writeConfig(
    t,
    `${ONE_GPU}pool: a100\nlimits: { stallTimeout: 1h, phases: { iteration: 10m, saving: 1h } }\noverrides: { SOLVER: { MAX_ITER: 1000, STEPS: [900], CHECKPOINT_PERIOD: 100 } }
stages:
  stage1:
    gang: { hosts: 2, gpusPerHost: 4 }
    limits: { heartbeatTimeout: 5s, phases: { first iteration: 20m, iteration: 90s } }
    overrides: { SOLVER: { CHECKPOINT_PERIOD: 50 } }
  stage3:
    config: ${LITE.stage3}
    limits: { lossSpike: 30 }
    weights: { run: other, stage: stage2 }
`,
    [artifact('other/stage2', LITE.stage2)],
  );
  const { plan, problems } = await config.resolve();
  assert.deepEqual(problems, []);
  const settings = plan?.stages.map(({ settingsSha256 }) => settingsSha256) ?? [];
  assert.equal(new Set(settings).size, 2);
  const weights = 'weights/converted_maskdino_r50_withoutclip.pth';
  const text = `weights of ${weights}`;
  assert.deepEqual(plan, {
    run: 'lite-1',
    config: 'joint/mine',
    variant: 'Lite',
    stages: [
      {
        stage: 'stage1',
        configFile: LITE.stage1,
        weights: {
          kind: 'checkout',
          path: weights,
          sha256: createHash('sha256').update(text).digest('hex'),
          sizeBytes: text.length,
        },
        overrides: { SOLVER: { MAX_ITER: 1000, STEPS: [900], CHECKPOINT_PERIOD: 50 } },
        settingsSha256: settings[0],
        gang: { hosts: 2, gpusPerHost: 4 },
        pool: 'a100',
        maxIterations: 1000,
        checkpointPeriod: 50,
        learningRateSteps: [900],
        retention: { newest: 3 },
        limits: {
          heartbeatTimeoutMs: 5000,
          hostTimeoutMs: 300_000,
          stallTimeoutMs: 3_600_000,
          phaseTimeoutsMs: { iteration: 90_000, saving: 3_600_000, 'first iteration': 1_200_000 },
          attemptsWithoutProgress: 10,
          coverage: 0.01,
          lossSpike: 10,
        },
      },
      {
        stage: 'stage3',
        configFile: LITE.stage3,
        weights: { kind: 'artifact', artifact: artifact('other/stage2', LITE.stage2) },
        overrides: { SOLVER: { MAX_ITER: 1000, STEPS: [900], CHECKPOINT_PERIOD: 100 } },
        settingsSha256: settings[1],
        gang: { hosts: 1, gpusPerHost: 1 },
        pool: 'a100',
        maxIterations: 1000,
        checkpointPeriod: 100,
        learningRateSteps: [900],
        retention: { newest: 3 },
        limits: {
          heartbeatTimeoutMs: 60_000,
          hostTimeoutMs: 300_000,
          stallTimeoutMs: 3_600_000,
          phaseTimeoutsMs: { iteration: 600_000, saving: 3_600_000 },
          attemptsWithoutProgress: 10,
          coverage: 0.95,
          lossSpike: 30,
        },
      },
    ],
    warnings: [],
  });
});

test('the share of a model that its initial weights must match can be set for the run and for a stage', async (t) => {
  const resolve = async (limits: string) => {
    const stage3 = `{ weights: { run: other, stage: stage2 }, limits: { coverage: 0 } }`;
    const yaml = `${ONE_GPU}${limits}stages:\n  stage1:\n  stage3: ${stage3}\n`;
    return (await writeConfig(t, yaml, [artifact('other/stage2', LITE.stage2)])).resolve();
  };
  const [plain, set] = [await resolve(''), await resolve('limits: { coverage: 0.3 }\n')];
  const limits = ({ plan }: typeof plain) => plan?.stages.map(({ limits }) => limits.coverage);
  assert.deepEqual(
    [limits(plain), limits(set)],
    [
      [0.01, 0],
      [0.3, 0],
    ],
  );
  const sums = ({ plan }: typeof plain) => plan?.stages.map(({ settingsSha256 }) => settingsSha256);
  assert.deepEqual(sums(set), sums(plain), 'it changes nothing that is trained');
  assert.match(errorsOf(await resolve('limits: { coverage: 95 }\n')).join(), /limits\.coverage/);
});

test('all problems are told at once, each with the line in the config', async (t) => {
  const config = await writeConfig(
    t,
    'variant: Lite\ngang: { hosts: 3, gpusPerHost: 1 }\nstages:\n  stage1:\n    overrides:\n      SOLVER:\n        MAX_ITERS: 5\n        IMS_PER_BATCH: 64\n  stage2:\n    overrides: { DATASETS: { TEST: [coco] } }\n',
  );
  const errors = errorsOf(await config.resolve('no/slash'));
  assert.deepEqual(
    errors.map((line) => line.split(': ').slice(0, 2).join(': ')),
    [
      "run: run id 'no/slash' must be 1 to 63 letters, digits, '.', '_' or '-', begin with a letter or digit and hold no '..'",
      `${config.file}:7: stages.stage1.overrides.SOLVER.MAX_ITERS`,
      `${config.file}:8: stages.stage1.overrides.SOLVER.IMS_PER_BATCH`,
      `${LITE.stage2}: SOLVER.IMS_PER_BATCH`,
      `${LITE.stage2}: DATASETS.TRAIN`,
      `${config.file}:10: stages.stage2.overrides.DATASETS.TEST`,
    ],
  );
});

test('a missing checkout is one error that says to set GLEE_CHECKOUT', async (t) => {
  const folder = await temporaryFolder(t);
  const input = { run: 'a', config: 'joint/lite', findArtifact: none };
  for (const checkout of [join(folder, 'gone'), folder]) {
    const errors = errorsOf(await resolveJointPlan({ ...input, checkout }));
    assert.equal(errors.length, 1);
    assert.match(errors.join(), /set GLEE_CHECKOUT to the folder of a GLEE checkout/);
  }
});

test('files missing from the checkout are named, when the catalogue has them neither', async (t) => {
  const config = await writeConfig(
    t,
    `${ONE_GPU}stages:\n  stage1: { weights: { path: weights/mine.pth } }\n`,
  );
  await rm(join(config.checkout, 'weights/mine.pth'), { force: true });
  await writeInto(config.checkout, 'projects/GLEE/glee/GLEE.py', '# needs the text encoder');
  await rm(join(config.checkout, 'launch.py'));
  const errors = errorsOf(await config.resolve());
  assert.equal(errors.length, 2);
  assert.match(errors[0] ?? '', /launch\.py is missing from the GLEE checkout/);
  assert.match(
    errors[1] ?? '',
    /stages\.stage1\.weights\.path: the initial weights 'weights\/mine\.pth' of stage1 are not in/,
  );
});

test("a backbone's own weights must be there in every stage, as GLEE opens them while it builds the model", async (t) => {
  const config = await writeConfig(
    t,
    'variant: Plus\ngang: { hosts: 1, gpusPerHost: 1 }\nstages:\n  stage3: { weights: { run: p, stage: stage2 } }\n',
    [artifact('p/stage2', 'projects/GLEE/configs/images/Plus/Stage2_joint_training_CLIPteacher_SwinL.yaml')],
  );
  await rm(join(config.checkout, SWIN));
  const files = (await config.resolve()).plan?.stages.map((stage) => stage.files);
  assert.deepEqual(files, [[{ artifact: 'swin-large', path: SWIN }]]);
});

test("a backbone's own weights that neither the checkout nor the catalogue has are named", async (t) => {
  const yaml = `variant: Plus\ngang: { hosts: 1, gpusPerHost: 1 }\nstages: { stage1: { overrides: { MODEL: { SWIN: { PRETRAINED_WEIGHT: weights/other.pth } } } } }\n`;
  assert.match(
    errorsOf(await (await writeConfig(t, yaml)).resolve()).join(),
    /MODEL\.SWIN\.PRETRAINED_WEIGHT: stage1 needs the backbone's weights.*'weights\/other\.pth' is neither in the GLEE checkout .* nor in the catalogue/,
  );
});

test('a config file that is not in the checkout comes with the nearest that is', async (t) => {
  const wrong = LITE.stage1.replace('projects/GLEE', 'projects/STAnything');
  const config = await writeConfig(t, `${ONE_GPU}stages:\n  stage1: { config: ${wrong} }\n`);
  assert.deepEqual(errorsOf(await config.resolve()), [
    `${config.file}:4: stages.stage1.config: '${wrong}' is not in the GLEE checkout ${config.checkout}; did you mean '${LITE.stage1}'?`,
  ]);
});

test('a base that is not in the checkout is named with the file that wants it', async (t) => {
  const config = await writeConfig(t, `${ONE_GPU}stages:\n  stage1:\n`);
  await rm(join(config.checkout, 'projects/GLEE/configs/images/Lite/base_clip_frozen_image_R50.yaml'));
  assert.match(
    errorsOf(await config.resolve()).join(),
    /R50\.yaml: _BASE_: names a file that cannot be read: ENOENT/,
  );
});

test('config paths stay inside the checkout, and out of the shell', async (t) => {
  for (const [path, reason] of [
    ['/etc/passwd', 'leads out of'],
    ['projects/../../a.yaml', 'leads out of'],
    ['~/a.yaml', 'leads out of'],
    ['a b.yaml', 'hand to a shell'],
    ['a;rm.yaml', 'hand to a shell'],
    ['$(x).yaml', 'hand to a shell'],
    ['-x.yaml', 'hand to a shell'],
  ] as const) {
    const config = await writeConfig(t, `${ONE_GPU}stages:\n  stage1: { config: '${path}' }\n`);
    const errors = errorsOf(await config.resolve());
    assert.equal(errors.length, 1, path);
    assert.ok(errors[0]?.includes(reason) && errors[0].includes(':4: stages.stage1.config'), errors[0]);
  }
});

test('an unknown config is one problem, and the checkout is still looked at', async (t) => {
  const folder = await temporaryFolder(t);
  const errors = errorsOf(
    await resolveJointPlan({ run: 'a', config: 'joint/light', checkout: folder, findArtifact: none }),
  );
  assert.equal(errors.length, 2);
  assert.match(errors[0] ?? '', /^configs: no config 'joint\/light'; did you mean 'joint\/lite'\?/);
  assert.match(errors[1] ?? '', /is no GLEE checkout/);
});

test('keys that the checkout defines itself are known', async (t) => {
  const config = await writeConfig(
    t,
    `${ONE_GPU}stages:\n  stage1: { overrides: { MODEL: { OURS: { A: 1, B: 2 } } } }\n`,
  );
  assert.equal((await config.resolve()).problems.length, 2);
  await writeInto(
    config.checkout,
    'projects/GLEE/glee/config.py',
    'def add(cfg):\n    cfg.MODEL.OURS = CN()\n    cfg.MODEL.OURS.A = 1\n',
  );
  await writeInto(config.checkout, 'projects/GLEE/configs/ours.yaml', 'MODEL: { OURS: { B: 1 } }\n');
  assert.deepEqual((await config.resolve()).problems, []);
});

test('what the pool is to know, and what may be spent, is set for the run and for a stage', async (t) => {
  const config = await writeConfig(
    t,
    `${ONE_GPU}team: vision\npriority: 3\nneeds: { labels: { zone: b } }\nlimits: { budgets: { host: 100, hang: 2 } }
stages:
  stage1:
    priority: 7
    needs: { gpuMemoryGiB: 80 }
    limits: { budgets: { hang: 0 } }
  stage3:
    weights: { run: other, stage: stage2 }
    approval: true
`,
    [artifact('other/stage2', LITE.stage2)],
  );
  const { plan, problems } = await config.resolve();
  assert.deepEqual(errorsOf({ problems }), []);
  const wishes = plan?.stages.map(({ team, priority, needs, approval, limits: { budgets } }) => ({
    ...{ team, priority, needs, approval, budgets },
  }));
  const labels = { zone: 'b' };
  assert.deepEqual(wishes, [
    {
      ...{ team: 'vision', priority: 7, needs: { gpuMemoryMiB: 81_920, labels }, approval: undefined },
      budgets: { hang: 0 },
    },
    {
      ...{ team: 'vision', priority: 3, needs: { labels }, approval: true },
      budgets: { host: 100, hang: 2 },
    },
  ]);
});
