import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gang, Problem } from '../../../contracts/plan.ts';
import { loadDatasets } from '../../../planning/glee/dataset-catalog.ts';
import { describeProblem } from '../../../planning/reading/problems.ts';
import { mergeSettings, type Settings } from '../../../planning/reading/nested-settings.ts';
import { validateStage } from '../../../planning/validations/validate-stage.ts';

const GOOD: Settings = {
  DATASETS: { TRAIN: ['coco_2017_train', 'lvis_v1_train'], TEST: ['coco_2017_val'] },
  DATALOADER: {
    SAMPLER_TRAIN: 'MultiDatasetSampler',
    DATASET_RATIO: [1, 1],
    DATASET_BS: [2, 2],
    USE_RFS: [true, true],
    USE_DIFF_BS_SIZE: true,
  },
  SOLVER: { IMS_PER_BATCH: 64, MAX_ITER: 1000, CHECKPOINT_PERIOD: 100, STEPS: [800] },
};

test('settings without a trap give no problem', async () => {
  assert.deepEqual(await trapsIn({}), []);
});

test('a batch that does not divide by the GPUs says which would, and what the real batch is', async () => {
  assert.deepEqual(told(await trapsIn({ SOLVER: { IMS_PER_BATCH: 32 } }, { hosts: 8, gpusPerHost: 8 })), [
    'mine.yaml: stages.stage2.overrides.SOLVER.IMS_PER_BATCH: stage2: is 32, and GLEE asserts that it divides by the ' +
      'number of GPUs: 8 hosts × 8 = 64 (the value is otherwise unused: with USE_DIFF_BS_SIZE the real batch is ' +
      'DATASET_BS × GPUs = 128). Set it to a multiple of 64: 64 or 128',
  ]);
  const other = await trapsIn(
    { SOLVER: { IMS_PER_BATCH: 20 }, DATALOADER: { USE_DIFF_BS_SIZE: false } },
    { hosts: 3, gpusPerHost: 2 },
  );
  assert.match(told(other).join(), /= 6\. Set it to a multiple of 6: 18, 24 or 30$/);
});

test("a trap in GLEE's own file names that file, and the key to set in the user's", async () => {
  const traps = await trapsIn({}, { hosts: 5, gpusPerHost: 1 });
  assert.match(
    told(traps).join(),
    /^glee\.yaml: SOLVER\.IMS_PER_BATCH: .*Set stages\.stage2\.overrides\.SOLVER\.IMS_PER_BATCH in mine\.yaml to a multiple of 5/,
  );
});

test('a trap in the shared overrides names them', async () => {
  const traps = await trapsIn({}, { hosts: 1, gpusPerHost: 1 }, { SOLVER: { MAX_ITER: 0 } });
  assert.match(
    told(traps).join(),
    /^mine\.yaml: overrides\.SOLVER\.MAX_ITER: stage2: there is nothing to train/,
  );
});

test('a data set of videos that GLEE reads as images is told, where it trains and where it evaluates', async () => {
  const single = { DATALOADER: { SAMPLER_TRAIN: 'TrainingSampler' } };
  const cases: readonly (readonly [Settings, RegExp | undefined])[] = [
    [
      { ...single, DATASETS: { TRAIN: ['lvvis_train'], TEST: ['lvvis_val'] } },
      /can't train on 'lvvis_train'.*evaluated/,
    ],
    [
      { ...single, DATASETS: { TRAIN: ['bdd_seg_track_train'], TEST: [] } },
      /can't train on 'bdd_seg_track_train'/,
    ],
    [{ ...single, DATASETS: { TRAIN: ['mose_train'], TEST: [] } }, /can't train on 'mose_train'/],
    [{ ...single, DATASETS: { TRAIN: ['ytvis_2019_train'], TEST: ['ytvis_2019_val'] } }, undefined],
    [
      { ...single, DATASETS: { TRAIN: ['coco_2017_train', 'lvis_v1_train'], TEST: [] } },
      /trains on 'coco_2017_train' alone/,
    ],
    [
      {
        ...single,
        DATASETS: { TRAIN: ['coco_2017_train'] },
        INPUT: { MIN_SIZE_TRAIN_SAMPLING: 'choice_by_clip' },
      },
      /to choice$/,
    ],
    [{ DATASETS: { TRAIN: ['lvvis_train', 'ytvis_2019_train'] } }, /can't train on 'lvvis_train'/],
    [{ DATASETS: { TRAIN: ['ytbvos18_train', 'ytvis_2019_train'] } }, undefined],
    [
      {
        DATASETS: { TRAIN: ['lvvis_train', 'ovis_train'] },
        INPUT: { DATASET_MAPPER_NAME: 'coco_instance_lsj' },
      },
      undefined,
    ],
    [
      { DATASETS: { TEST: ['mose_val'] } },
      /can't evaluate on 'mose_val': train_net.py takes its videos for images/,
    ],
    [
      { DATASETS: { TEST: ['vg_train'] } },
      /can't evaluate on 'vg_train': it is registered without an evaluator/,
    ],
  ];
  for (const [settings, problem] of cases) {
    const found = told(await trapsIn(settings)).join();
    if (problem === undefined) assert.equal(found, '', JSON.stringify(settings));
    else assert.match(found, problem);
  }
});

test("what GLEE's code leaves no choice of is told: nine decoder layers, 300 queries for videos, 100 detections", async () => {
  const model = (MaskDINO: Settings, TRAIN = ['coco_2017_train', 'lvis_v1_train']) => ({
    MODEL: { MaskDINO },
    DATASETS: { TRAIN },
  });
  const video = ['ytvis_2019_train', 'ovis_train'];
  assert.match(
    told(await trapsIn(model({ DEC_LAYERS: 6 }))).join(),
    /DEC_LAYERS: stage2: 6 leaves out losses.*Set it to 9$/,
  );
  assert.match(told(await trapsIn(model({ DN: 'no' }))).join(), /to seg or standard$/);
  assert.match(
    told(await trapsIn(model({ NUM_OBJECT_QUERIES: 100 }, video))).join(),
    /draws from 300 queries, and there are 100.*to 300$/,
  );
  assert.match(
    told(await trapsIn(model({ NUM_OBJECT_QUERIES: 20 }))).join(),
    /^warning: .*fewer than 5 classes.*to 100 or more$/,
  );
  assert.deepEqual(
    await trapsIn(model({ DEC_LAYERS: 9, DN: 'seg', TWO_STAGE: true, NUM_OBJECT_QUERIES: 300 }, video)),
    [],
  );
});

test('sa1b_32_train, which GLEE itself names, is pointed to what is registered', async () => {
  const traps = await trapsIn({ DATASETS: { TRAIN: ['sa1b_32_train', 'lvis_v1_train'] } });
  assert.match(
    told(traps).join(),
    /'sa1b_32_train' is registered nowhere \(GLEE issue #50.*sa1b_500k, sa1b_1m or sa1b_2m in its place/,
  );
});

test('a misspelt data set comes with the nearest names, in TRAIN and in TEST', async () => {
  const traps = told(
    await trapsIn({ DATASETS: { TRAIN: ['coco_2017_trian', 'lvis_v1_train'], TEST: ['odinw13_Pothol'] } }),
  );
  assert.match(traps[0] ?? '', /DATASETS\.TRAIN: .*'coco_2017_trian' is registered nowhere.*coco_2017_train/);
  assert.match(traps[1] ?? '', /DATASETS\.TEST: .*'odinw13_Pothol' is registered nowhere.*odinw13_Pothole/);
});

test('no data set, or a text where a tuple was meant, is told', async () => {
  assert.match(told(await trapsIn({ DATASETS: { TRAIN: [] } })).join(), /names no data set to train on/);
  assert.match(
    told(await trapsIn({ DATASETS: { TRAIN: 'coco_2017_train' } })).join(),
    /"coco_2017_train" is no list; in GLEE's YAML one name is \("name",\)/,
  );
});

test('lists that go with TRAIN by position must be as long', async () => {
  const traps = told(
    await trapsIn({
      DATASETS: { TRAIN: ['coco_2017_train', 'lvis_v1_train', 'sa1b_1m'] },
      DATALOADER: { USE_RFS: [true, true, true] },
    }),
  );
  assert.equal(traps.length, 3);
  assert.match(
    traps[0] ?? '',
    /DATASET_RATIO has 2 entries, DATASETS\.TRAIN has 3; they go together by position/,
  );
  assert.match(traps[1] ?? '', /DATASET_BS has 2 entries/);
  assert.match(traps[2] ?? '', /DATASET_ANN has 2 entries by GLEE's default/);
});

test('lists may be of any length where the sampler does not use them', async () => {
  assert.deepEqual(
    await trapsIn({ DATASETS: { TRAIN: ['sa1b_1m'] }, DATALOADER: { SAMPLER_TRAIN: 'TrainingSampler' } }),
    [],
  );
});

test('a checkpoint period beyond the last iteration is an error', async () => {
  const traps = await trapsIn({ SOLVER: { CHECKPOINT_PERIOD: 1001 } });
  assert.match(
    told(traps).join(),
    /a checkpoint every 1001 iterations, but training ends after 1000.* to at most 1000/,
  );
  assert.deepEqual(await trapsIn({ SOLVER: { CHECKPOINT_PERIOD: 1000 } }), []);
});

test('fewer iterations than one are an error', async () => {
  for (const iterations of [0, -5, 1.5]) {
    const [trap] = await trapsIn({ SOLVER: { MAX_ITER: iterations } });
    assert.equal(trap?.level, 'error');
    assert.match(trap.message, /there is nothing to train/);
  }
});

test('steps beyond the last iteration are a warning: detectron2 leaves them out', async () => {
  const [trap, ...others] = await trapsIn({ SOLVER: { STEPS: [800, 1200] } });
  assert.deepEqual(others, []);
  assert.equal(trap?.level, 'warning');
  assert.match(trap.message, /drop at 1200, but training ends after 1000/);
});

test('a step where the training ends is an error: fvcore refuses it when the trainer starts', async () => {
  const [trap, ...others] = await trapsIn({ SOLVER: { STEPS: [800, 1000] } });
  assert.deepEqual(others, []);
  assert.equal(trap?.level, 'error');
  assert.match(trap.message, /drop at 1000, where training ends/);
});

/** Traps of a Stage 2 whose own overrides are `own`, above settings that have none. */
async function trapsIn(
  own: Settings,
  gang: Gang = { hosts: 1, gpusPerHost: 1 },
  shared: Settings = {},
): Promise<readonly Problem[]> {
  return validateStage({
    settings: mergeSettings(mergeSettings(GOOD, shared), own),
    gang,
    datasets: await loadDatasets(),
    places: {
      stage: 'stage2',
      at: 'stages.stage2.',
      file: 'mine.yaml',
      gleeFile: 'glee.yaml',
      ownOverrides: own,
      sharedOverrides: shared,
    },
  });
}

function told(problems: readonly Problem[]): string[] {
  return problems.map(describeProblem);
}
