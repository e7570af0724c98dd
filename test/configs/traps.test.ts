import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gang, Problem } from '../../contracts/plan.ts';
import { loadDatasets } from '../../configs/datasets.ts';
import { describeProblem } from '../../configs/problems.ts';
import { mergeSettings, type Settings } from '../../configs/settings.ts';
import { findTraps } from '../../configs/traps.ts';

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
  return findTraps({
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
