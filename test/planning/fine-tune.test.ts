import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { loadDatasets } from '../../planning/glee/dataset-catalog.ts';
import { writeGleeYaml } from '../../planning/glee/write-glee-yaml.ts';
import { listFineTuneConfigs } from '../../planning/load-config.ts';
import { loadOdinw } from '../../planning/glee/odinw.ts';
import { describeProblem } from '../../planning/reading/problems.ts';
import { resolveFineTunePlan } from '../../planning/resolve-fine-tune.ts';
import { settingAt } from '../../planning/reading/nested-settings.ts';
import { VARIANTS, type Artifact } from '../../contracts/plan.ts';
import { makeGleeCheckout, temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';
import { ODINW_13, VIDEO_CONFIGS } from '../fixtures/glee-facts.ts';
import { artifact } from '../fixtures/joint-config.ts';

const VIDEOS = 'projects/GLEE/configs/';

/** Resolves configs in one checkout. */
async function makeResolver(t: TestContext, artifacts: readonly Artifact[] = []) {
  const checkout = await makeGleeCheckout(t, { joint: true });
  const configDirectory = await temporaryFolder(t);
  return async (yaml: string, evaluatesOnly = false) => {
    await writeInto(configDirectory, 'finetune/mine.yaml', yaml);
    const { plan, problems } = await resolveFineTunePlan({
      run: 'tune-1',
      config: 'finetune/mine',
      configDirectory,
      checkout,
      evaluatesOnly,
      findArtifact: (run, stage, iterations) => {
        const wanted = `${run}/${stage}${iterations === undefined ? '' : `@${iterations}`}`;
        return Promise.resolve(artifacts.find(({ name }) => name === wanted));
      },
    });
    const told = problems.map((problem) => describeProblem(problem).replace(`${configDirectory}/`, ''));
    return { plan, told };
  };
}

test("every video task has GLEE's own config, untouched, and nothing of it is out of order", async (t) => {
  const resolve = await makeResolver(t);
  const found: string[] = [];
  for (const variant of VARIANTS) {
    for (const task of ['ytvis19', 'ovis', 'tao', 'burst', 'lvvis']) {
      // GLEE can't train on LV-VIS.
      const { plan, told } = await resolve(`task: video/${task}\nvariant: ${variant}\n`, task === 'lvvis');
      if (task === 'lvvis' && variant !== 'Lite') {
        const missing = `has no config for 'video/lvvis' (there are ytvis19, ovis, tao or burst)`;
        assert.deepEqual(told, [`finetune/mine.yaml:1: task: GLEE-${variant} ${missing}`]);
        continue;
      }
      assert.deepEqual(told, []);
      const own = VIDEO_CONFIGS.find(({ file }) => `${VIDEOS}${file}` === plan?.stage.configFile);
      assert.ok(own !== undefined && plan !== undefined, `${variant} ${task}`);
      found.push(own.file);
      assert.equal(plan.stage.maxIterations, own.iterations);
      assert.equal(plan.stage.checkpointPeriod, own.period);
      assert.deepEqual(plan.stage.overrides, {});
      assert.equal(plan.stage.datasets, undefined);
      assert.deepEqual(plan.evaluation, { datasets: [own.test], checkpoints: 'kept' });
      assert.ok('path' in plan.stage.weights);
      assert.equal(plan.stage.weights.path, `model_zoo/GLEE_${variant}_joint.pth`);
    }
  }
  assert.deepEqual(found.sort(), VIDEO_CONFIGS.map(({ file }) => file).sort());
});

test('video/lvvis is told before anything is spent: this GLEE reads its videos as images', async (t) => {
  const resolve = await makeResolver(t);
  const { plan, told } = await resolve('task: video/lvvis\nvariant: Lite\n');
  assert.equal(plan, undefined);
  assert.match(
    told.join(),
    /DATASETS\.TRAIN: finetune: this GLEE can't train on 'lvvis_train'.*'glee evaluate'/,
  );
});

test("the thirteen ODinW sets are evaluated on GLEE's own splits, and trained on those beside them", async (t) => {
  const resolve = await makeResolver(t);
  for (const [name, images, annotations] of ODINW_13) {
    const { plan, told } = await resolve(`task: odinw/${name.replace('odinw13_', '')}\nvariant: Lite\n`);
    assert.deepEqual(told, []);
    assert.deepEqual(plan?.evaluation, { datasets: [name], metric: 'bbox/AP', checkpoints: 'kept' });
    const [train, ...others] = plan.stage.datasets ?? [];
    assert.ok(train !== undefined && others.length === 0);
    assert.deepEqual([train.name, train.task, train.words], [`${name}_train`, name, undefined]);
    const beside = (path: string) =>
      path.replace(/\/(valid|mini_val)(\/|$)/, '/train$2').replace('val_annotations', 'train_annotations');
    assert.equal(train.annotations, beside(annotations));
    assert.equal(train.images, beside(images).replace(/\/$/, ''));
  }
  const sets = [...(await loadOdinw()).values()];
  const thirteen = sets.filter(({ known }) => known);
  const own = (await loadDatasets()).registered;
  assert.deepEqual([sets.length, thirteen.length], [35, 13]);
  for (const { task, validation } of thirteen) {
    assert.equal(validation.annotations, own.get(task)?.annotations);
    assert.equal(validation.images, own.get(task)?.images.replace(/\/$/, ''));
  }
});

test('every one of the 35 resolves for every variant, full and with few shots', async (t) => {
  const resolve = await makeResolver(t);
  for (const { name, task, known } of (await loadOdinw()).values()) {
    for (const variant of VARIANTS) {
      const few = variant === 'Plus' ? 'fewShot: { shots: 3, seed: 7 }\n' : '';
      const { plan, told } = await resolve(`task: odinw/${name}\nvariant: ${variant}\n${few}`);
      assert.deepEqual(told, [], name);
      assert.ok(plan !== undefined);
      assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan);
      const { datasets = [], overrides, gang } = plan.stage;
      const names = known ? [`${task}_train`] : [`${task}_train`, `${task}_val`];
      assert.deepEqual(
        datasets.map((dataset) => [dataset.name, dataset.task]),
        names.map((one) => [one, task]),
      );
      assert.deepEqual(datasets[0]?.fewShot, few === '' ? undefined : { shots: 3, seed: 7 });
      assert.deepEqual(settingAt(overrides, 'DATASETS.TRAIN'), [`${task}_train`]);
      assert.deepEqual(settingAt(overrides, 'DATASETS.TEST'), [known ? task : `${task}_val`]);
      assert.deepEqual(gang, { hosts: 1, gpusPerHost: 8 });
      assert.ok(plan.stage.maxIterations >= 300 && plan.stage.maxIterations <= 20_000);
    }
  }
});

test("the generated settings follow detectron2's rules for YAML, and the user's stand above them", async (t) => {
  const resolve = await makeResolver(t);
  const { plan, told } = await resolve(
    'task: odinw/Raccoon\nvariant: Pro\ngang: { hosts: 1, gpusPerHost: 4 }\noverrides: { SOLVER: { MAX_ITER: 1000, BASE_LR: 0.00002 } }\n',
  );
  assert.deepEqual(told, []);
  const overrides = plan?.stage.overrides ?? {};
  const yaml = writeGleeYaml({ base: '/glee/a.yaml', weights: '/w.pth', outputDir: '/out', overrides });
  assert.equal(
    yaml,
    `# Written by glee-pipeline for this attempt; the next one writes it again.
_BASE_: "/glee/a.yaml"
DATASETS:
  TRAIN: ("odinw13_Raccoon_train",)
  TEST: ("odinw13_Raccoon",)
DATALOADER:
  DATASET_RATIO: (1,)
  DATASET_BS: (2,)
  USE_RFS: (False,)
  DATASET_ANN: ("box",)
SOLVER:
  IMS_PER_BATCH: 8
  BASE_LR: 0.00002
  MAX_ITER: 1000
  STEPS: (800,)
  WARMUP_ITERS: 100
  CHECKPOINT_PERIOD: 250
TEST:
  EVAL_PERIOD: 0
MODEL:
  WEIGHTS: "/w.pth"
OUTPUT_DIR: "/out"
`,
  );
});

test('each checkpoint is evaluated once: after the training, or in it at the period that the user gives', async (t) => {
  const resolve = await makeResolver(t);
  const periods = async (more: string) => {
    const { plan } = await resolve(`task: odinw/Raccoon\nvariant: Lite\n${more}`);
    const { overrides = {}, evaluatedAfter = false } = plan?.stage ?? {};
    const periods = ['SOLVER.CHECKPOINT_PERIOD', 'TEST.EVAL_PERIOD'].map((key) => settingAt(overrides, key));
    return [...periods, evaluatedAfter];
  };
  const solver = 'overrides: { SOLVER: { MAX_ITER: 1000, CHECKPOINT_PERIOD: 70 } }\n';
  assert.deepEqual(await periods(solver), [70, 0, true]);
  assert.deepEqual(await periods(`${solver}evaluation: { checkpoints: [70] }\n`), [70, 0, true]);
  assert.deepEqual(await periods(`${solver}evaluation: { checkpoints: final }\n`), [70, 70, false]);
  const asked = solver.replace(' } }', ' }, TEST: { EVAL_PERIOD: 35 } }');
  assert.deepEqual(await periods(asked), [70, 35, false]);
});

test("a data set of the user's own is registered with both its splits, its words, and as boxes", async (t) => {
  const resolve = await makeResolver(t, [
    artifact('lite-1/stage2', 'projects/GLEE/configs/images/Lite/a.yaml'),
  ]);
  const { plan, told } = await resolve(`task:
  coco:
    name: screws
    annotations: screws/train.json
    images: screws/train
    validation: { annotations: screws/val.json, images: screws/val }
    words: [wood screw, washer]
    masks: false
variant: Lite
weights: { run: lite-1, stage: stage2 }
evaluation: { checkpoints: [1000], metric: bbox/AP50 }
`);
  assert.deepEqual(told, []);
  const task = 'own_odinw_screws';
  const words = ['wood screw', 'washer'];
  assert.deepEqual(plan?.stage.datasets, [
    { name: `${task}_train`, annotations: 'screws/train.json', images: 'screws/train', task, words },
    { name: `${task}_val`, annotations: 'screws/val.json', images: 'screws/val', task, words },
  ]);
  assert.deepEqual(plan.evaluation, { datasets: [`${task}_val`], metric: 'bbox/AP50', checkpoints: [1000] });
  assert.equal(plan.task, 'coco/screws');
  assert.equal(plan.stage.weights.kind, 'artifact');
});

test('which images are drawn is a part of what was trained', async (t) => {
  const resolve = await makeResolver(t);
  const sums = new Set<string | undefined>();
  for (const few of ['', 'fewShot: { shots: 1 }', 'fewShot: { shots: 1, seed: 1 }']) {
    const { plan } = await resolve(
      `task: odinw/Raccoon\nvariant: Lite\noverrides: { SOLVER: { MAX_ITER: 300, BASE_LR: 0.1 } }\n${few}\n`,
    );
    sums.add(plan?.stage.settingsSha256);
  }
  assert.equal(sums.size, 3);
});

const wrong: readonly (readonly [what: string, yaml: string, problem: RegExp])[] = [
  [
    'a misspelt ODinW set',
    'task: odinw/Racoon\nvariant: Lite',
    /^finetune\/mine\.yaml:1: task: ODinW has no data set 'Racoon'; did you mean 'Raccoon'\?/,
  ],
  ["an archive's name", 'task: odinw/CottontailRabbits\nvariant: Lite', /here it is called 'Rabbits'/],
  [
    'a video task',
    'task: video/ytvis2019\nvariant: Lite',
    /:1: task: GLEE-Lite has no config for 'video\/ytvis2019'; did you mean 'ytvis19'\?/,
  ],
  [
    'another task',
    'task: odniw/Raccoon\nvariant: Lite',
    /:1: task: 'odniw\/Raccoon' must be odinw\/<data set> or video\/<task>/,
  ],
  [
    'few shots of a video',
    'task: video/ovis\nvariant: Lite\nfewShot: { shots: 1 }',
    /:3: fewShot: a few images/,
  ],
  [
    'two shots',
    'task: odinw/Raccoon\nvariant: Lite\nfewShot: { shots: 2 }',
    /:3: fewShot\.shots: 2 is none of 1, 3, 5 or 10/,
  ],
  [
    'an unknown key',
    'task: odinw/Raccoon\nvariant: Lite\nfewshot: { shots: 1 }',
    /:3: fewshot: unknown key; did you mean 'fewShot'\?/,
  ],
  [
    'a metric of a video',
    'task: video/ovis\nvariant: Lite\nevaluation: { metric: segm/AP }',
    /:3: evaluation\.metric: GLEE computes no figure for video\/ovis/,
  ],
  [
    'an unknown test set',
    'task: odinw/Raccoon\nvariant: Lite\nevaluation: { datasets: [odinw13_Racoon] }',
    /:3: evaluation\.datasets\.0: data set 'odinw13_Racoon' is registered nowhere; did you mean 'odinw13_Raccoon'\?/,
  ],
  [
    "another variant's weights",
    'task: odinw/Raccoon\nvariant: Plus\nweights: { path: model_zoo/GLEE_Lite_joint.pth }',
    /:3: weights\.path: .*are of GLEE-Lite, and this run trains GLEE-Plus/,
  ],
  [
    'the warm-up',
    'task: odinw/Raccoon\nvariant: Lite\nweights: { path: weights/converted_maskdino_r50_withoutclip.pth }',
    /:3: weights\.path: .*made for the start of stage1/,
  ],
  [
    'a run without final weights',
    'task: odinw/Raccoon\nvariant: Lite\nweights: { run: none, stage: stage2 }',
    /:3: weights\.run: run 'none' has no finished stage2 in S3/,
  ],
  [
    'a path outside',
    'task: { coco: { name: a, annotations: /a.json, images: a, validation: { annotations: a, images: a } } }\nvariant: Lite',
    /:1: task\.coco\.annotations: must be relative to DETECTRON2_DATASETS/,
  ],
  [
    'a name that means another kind',
    'task: { coco: { name: my_video, annotations: a.json, images: a, validation: { annotations: a, images: a } } }\nvariant: Lite',
    /:1: task\.coco\.name: has a part by which GLEE takes/,
  ],
  [
    'a misspelt key of a data set',
    'task: { coco: { name: a, annotations: a, images: a, word: [b], validation: { annotations: a, images: a } } }\nvariant: Lite',
    /:1: task\.coco\.word: unknown key; did you mean 'words'\?/,
  ],
  [
    'a batch that does not divide',
    'task: odinw/Raccoon\nvariant: Lite\noverrides: { SOLVER: { IMS_PER_BATCH: 12 } }',
    /:3: overrides\.SOLVER\.IMS_PER_BATCH: finetune: is 12/,
  ],
];

for (const [what, yaml, problem] of wrong) {
  test(`${what} is told with its line`, async (t) => {
    const resolve = await makeResolver(t);
    const { plan, told } = await resolve(`${yaml}\n`);
    assert.equal(plan, undefined);
    assert.equal(told.length, 1, told.join('\n'));
    assert.match(told[0] ?? '', problem);
  });
}

test('every shipped config resolves', async (t) => {
  const checkout = await makeGleeCheckout(t, { joint: true });
  const findArtifact = () => Promise.resolve(undefined);
  for (const config of await listFineTuneConfigs()) {
    const { plan, problems } = await resolveFineTunePlan({ run: 'a', config, checkout, findArtifact });
    const errors = problems.filter(({ key }) => !key.includes('SANDBOX'));
    assert.deepEqual(errors, [], config);
    assert.ok(plan !== undefined);
  }
});
