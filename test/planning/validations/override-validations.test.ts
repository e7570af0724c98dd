import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Overrides } from '../../../contracts/plan.ts';
import { gleeKeys } from '../../../planning/glee/glee-keys.ts';
import { overrideProblems } from '../../../planning/validations/override-validations.ts';
import { describeProblem } from '../../../planning/reading/problems.ts';

test('overrides that yacs takes give no problem', () => {
  assert.deepEqual(
    told({
      SOLVER: { MAX_ITER: 5, BASE_LR: 1, STEPS: [1], AMP: { ENABLED: true }, LR_DECAY_RATE: 0.8 },
      MODEL: { MaskDINO: { DN: 'standard' }, SWIN: { PRETRAINED_WEIGHT: 'a.pth' } },
      DATASETS: { TRAIN: '("coco_2017_train",)' },
      INPUT: { DATASET_MAPPER_NAME: null },
    }),
    [],
  );
});

test('a misspelt key is an error with the nearest right one', () => {
  assert.deepEqual(told({ SOLVER: { MAX_ITERS: 5 } }), [
    "mine.yaml: overrides.SOLVER.MAX_ITERS: GLEE has no such key; did you mean 'SOLVER.MAX_ITER'?",
  ]);
  assert.match(
    told({ MODEL: { MASKDINO: { DN_NUM: 5 } } }).join(),
    /did you mean 'MODEL\.MaskDINO\.DN_NUM'\?/,
  );
});

test('a key without its section is an error with the whole one', () => {
  assert.match(told({ MAX_ITER: 5 }).join(), /did you mean 'SOLVER\.MAX_ITER'\?/);
});

test('an unknown key far from all others is a warning: the checkout may define it elsewhere', () => {
  assert.match(
    told({ MODEL: { SOMETHING_OF_OUR_OWN: 1 } }).join(),
    /^warning: mine\.yaml: overrides\.MODEL\.SOMETHING_OF_OUR_OWN: is not a key that GLEE/,
  );
});

test('a value of another type than its key has is an error, as yacs refuses it', () => {
  assert.deepEqual(
    told({
      SOLVER: { MAX_ITER: 1.5, BASE_LR: 'fast', STEPS: 5, AMP: { ENABLED: 'yes' } },
      MODEL: { WEIGHT: 1 },
    }).slice(0, 4),
    [
      'mine.yaml: overrides.SOLVER.MAX_ITER: must be a whole number, not 1.5: yacs refuses other types',
      'mine.yaml: overrides.SOLVER.BASE_LR: must be a number, not "fast": yacs refuses other types',
      'mine.yaml: overrides.SOLVER.STEPS: must be a list, not 5: yacs refuses other types',
      'mine.yaml: overrides.SOLVER.AMP.ENABLED: must be true or false, not "yes": yacs refuses other types',
    ],
  );
});

test('texts are what yacs makes of them: 1e5 is a float, a number no text, a dict no section', () => {
  assert.deepEqual(
    told({
      SOLVER: {
        MAX_ITER: '1e5',
        BASE_LR: '1',
        STEPS: '(1e4, 2e4)',
        LR_SCHEDULER_NAME: 5,
        WARMUP_METHOD: '{1: 2}',
      },
      MODEL: { MASK_ON: 'True', DEVICE: '1', SWIN: { QK_SCALE: "b'x'" } },
    }),
    [
      'mine.yaml: overrides.SOLVER.MAX_ITER: must be a whole number, not 100000.0: yacs refuses other types',
      'mine.yaml: overrides.SOLVER.BASE_LR: must be written 1.0, not 1: yacs refuses other types',
      'mine.yaml: overrides.SOLVER.LR_SCHEDULER_NAME: must be a text, not 5: yacs refuses other types',
      'mine.yaml: overrides.SOLVER.WARMUP_METHOD: must be a text, not a dict: yacs refuses other types',
      'mine.yaml: overrides.MODEL.DEVICE: must be a text, not 1: yacs refuses other types',
      'mine.yaml: overrides.MODEL.SWIN.QK_SCALE: must be a value, not bytes: yacs refuses other types',
    ],
  );
});

test('a section that is given a value is an error', () => {
  assert.match(told({ SOLVER: 3 }).join(), /overrides\.SOLVER: is a section of settings, not 3/);
});

test('a dotted key is shown nested', () => {
  assert.deepEqual(told({ 'SOLVER.MAX_ITER': 5 }), [
    "mine.yaml: overrides.SOLVER.MAX_ITER: write it nested, as GLEE's YAML is: SOLVER: { MAX_ITER: … }",
  ]);
});

test('what the pipeline sets itself cannot be overridden', () => {
  assert.match(told({ MODEL: { WEIGHTS: 'a.pth' } }).join(), /give the stage's `weights` instead/);
  assert.match(told({ OUTPUT_DIR: '/x' }).join(), /leave it out/);
  assert.match(told({ _BASE_: 'a.yaml' }).join(), /give the stage's `config` instead/);
});

function told(overrides: Overrides): string[] {
  return overrideProblems({
    overrides,
    file: 'mine.yaml',
    at: 'overrides',
    known: { types: gleeKeys(), complete: false },
  }).map(describeProblem);
}
