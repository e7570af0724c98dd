import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readGleeConfig } from '../../../planning/glee/glee-config.ts';
import { writeGleeYaml } from '../../../planning/glee/write-glee-yaml.ts';
import { ConfigError } from '../../../planning/reading/problems.ts';
import { settingAt } from '../../../planning/reading/nested-settings.ts';
import { LITE, makeGleeCheckout, temporaryFolder, writeInto } from '../../fixtures/glee-checkout.ts';

test('a GLEE config is read with its base, string tuples as lists', async (t) => {
  const settings = await readGleeConfig(await makeGleeCheckout(t), LITE.stage2);
  assert.deepEqual(settingAt(settings, 'SOLVER.STEPS'), [300_000, 380_000]);
  assert.deepEqual(settingAt(settings, 'DATASETS.TEST'), [
    'coco_2017_val',
    'refcoco-unc-val',
    'lvis_v1_minival',
  ]);
  assert.equal(settingAt(settings, 'MODEL.WEIGHTS'), 'model_zoo/GLEE_Lite_pretrain.pth');
  // From the base, beside what the config sets in the same section.
  assert.equal(settingAt(settings, 'SOLVER.CLIP_GRADIENTS.NORM_TYPE'), 2);
  assert.equal(settingAt(settings, 'MODEL.TEXT.ARCH'), 'clip_teacher');
});

test('YAML 1.1 and yacs rules hold: yes is true, 1e-4 a number, lists keep their items', async (t) => {
  const root = await temporaryFolder(t);
  await writeInto(
    root,
    'a.yaml',
    'A: yes\nB: 1e-4\nC: "1e-4"\nD: ["1", 2.5]\nE: off\nF: plain text\nF: the last wins\n',
  );
  assert.deepEqual(await readGleeConfig(root, 'a.yaml'), {
    A: true,
    B: 0.0001,
    C: 0.0001,
    D: ['1', 2.5],
    E: false,
    F: 'the last wins',
  });
});

test('a base may be absolute, and have a base of its own', async (t) => {
  const root = await temporaryFolder(t);
  await writeInto(root, 'deep/a.yaml', 'S: { A: 1, B: 1, C: 1 }\n');
  await writeInto(root, 'b.yaml', '_BASE_: deep/a.yaml\nS: { B: 2 }\n');
  await writeInto(root, 'c.yaml', `_BASE_: ${join(root, 'b.yaml')}\nS: { C: 3 }\n`);
  assert.deepEqual(await readGleeConfig(root, 'c.yaml'), { S: { A: 1, B: 2, C: 3 } });
});

test('what cannot be read names the file and the key', async (t) => {
  const root = await temporaryFolder(t);
  await writeInto(root, 'no-base.yaml', '_BASE_: gone.yaml\n');
  await writeInto(root, 'loop.yaml', '_BASE_: loop.yaml\n');
  await writeInto(root, 'url.yaml', '_BASE_: https://example.com/a.yaml\n');
  await writeInto(root, 'broken.yaml', 'A: [1\n');
  await writeInto(root, 'list.yaml', '- 1\n');
  assert.match(await messageOf(root, 'gone.yaml'), /^gone\.yaml: cannot be read: ENOENT/);
  assert.match(
    await messageOf(root, 'no-base.yaml'),
    /^no-base\.yaml: _BASE_: names a file that cannot be read: ENOENT/,
  );
  assert.match(await messageOf(root, 'loop.yaml'), /^loop\.yaml: _BASE_: leads back to itself/);
  assert.match(await messageOf(root, 'url.yaml'), /^url\.yaml: _BASE_: must be the path of a file/);
  assert.match(await messageOf(root, 'broken.yaml'), /^broken\.yaml:2: is not valid YAML/);
  assert.match(
    await messageOf(root, 'list.yaml'),
    /^list\.yaml: holds values that no GLEE config can hold: it is no map/,
  );
});

test('the YAML for the trainer is written as GLEE writes its own', () => {
  const yaml = writeGleeYaml({
    base: '/glee/projects/GLEE/configs/a.yaml',
    weights: '/scratch/weights.pth',
    outputDir: '/scratch/out',
    overrides: { SOLVER: { MAX_ITER: 300, BASE_LR: 0.0001 }, DATASETS: { TRAIN: ['a', 'b'], TEST: ['c'] } },
  });
  const lines = yaml.split('\n').filter((line) => !line.startsWith('#'));
  assert.deepEqual(lines, [
    '_BASE_: "/glee/projects/GLEE/configs/a.yaml"',
    'SOLVER:',
    '  MAX_ITER: 300',
    '  BASE_LR: 0.0001',
    'DATASETS:',
    '  TRAIN: ("a", "b")',
    '  TEST: ("c",)',
    'MODEL:',
    '  WEIGHTS: "/scratch/weights.pth"',
    'OUTPUT_DIR: "/scratch/out"',
    '',
  ]);
});

test('a whole number is written as 1.0 where GLEE has a float: yacs refuses an int there', () => {
  const yaml = written({ SOLVER: { WEIGHT_DECAY: 1, MAX_ITER: 1, GAMMA: 1e-7 } });
  assert.match(yaml, /WEIGHT_DECAY: 1\.0\n/);
  assert.match(yaml, /MAX_ITER: 1\n/);
  assert.match(yaml, /GAMMA: 1\.0e-7\n/);
});

test('what is written reads back the same, whatever the texts hold', async (t) => {
  const root = await temporaryFolder(t);
  const overrides = {
    SOLVER: { MAX_ITER: 300, BASE_LR: 2, GAMMA: 1e-7, STEPS: [100, 200], AMP: { ENABLED: true } },
    DATASETS: { TRAIN: ["it's", 'a: b', 'c #d', 'e "f"'], TEST: [] },
    DATALOADER: {
      DATASET_RATIO: [1, 0.05],
      USE_RFS: [true, false],
      SAMPLER_TRAIN: 'a "b" \\ c # d: é\n$(e)',
    },
    INPUT: { MIN_SIZE_TRAIN_MULTI: [[480, 512], [320]], DATASET_MAPPER_NAME: null },
    on: false,
  };
  await writeInto(root, 'base.yaml', 'VERSION: 2\nSOLVER: { MAX_ITER: 1, IMS_PER_BATCH: 32 }\n');
  const input = { base: join(root, 'base.yaml'), weights: '/w.pth', outputDir: '/out', overrides };
  await writeInto(root, 'attempt.yaml', writeGleeYaml(input));
  assert.deepEqual(await readGleeConfig(root, 'attempt.yaml'), {
    ...overrides,
    VERSION: 2,
    SOLVER: { ...overrides.SOLVER, IMS_PER_BATCH: 32 },
    MODEL: { WEIGHTS: '/w.pth' },
    OUTPUT_DIR: '/out',
  });
});

test('an override cannot replace the weights that are handed over', () => {
  const yaml = written({ MODEL: { WEIGHTS: 'other.pth' }, OUTPUT_DIR: 'elsewhere' });
  assert.ok(!yaml.includes('other.pth') && !yaml.includes('elsewhere'));
});

function written(overrides: Parameters<typeof writeGleeYaml>[0]['overrides']): string {
  return writeGleeYaml({ base: '/a.yaml', weights: '/w.pth', outputDir: '/out', overrides });
}

async function messageOf(root: string, file: string): Promise<string> {
  const error: unknown = await readGleeConfig(root, file).catch((error: unknown) => error);
  assert.ok(error instanceof ConfigError, `expected a ConfigError, got ${String(error)}`);
  return error.message;
}
