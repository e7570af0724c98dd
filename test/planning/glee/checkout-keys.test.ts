import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { askCheckoutKeys } from '../../../planning/glee/checkout-keys.ts';
import { knownKeys } from '../../../planning/glee/checkout.ts';
import { gleeConfigProblems } from '../../../planning/validations/glee-config-validations.ts';
import { readPythonConfig } from '../../../planning/glee/glee-config.ts';
import { gleeKeys } from '../../../planning/glee/glee-keys.ts';
import { writeGleeYaml } from '../../../planning/glee/write-glee-yaml.ts';
import { typedOverrides } from '../../../planning/glee/key-types.ts';
import { overrideProblems } from '../../../planning/validations/override-validations.ts';
import { describeProblem } from '../../../planning/reading/problems.ts';
import { temporaryFolder, writeInto } from '../../fixtures/glee-checkout.ts';

/** As detectron2's and GLEE's are imported, and no larger. */
const DETECTRON2_CONFIG = `
class CfgNode(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__

def get_cfg():
    return CfgNode(SOLVER=CfgNode(MAX_ITER=1, BASE_LR=0.1, STEPS=(1,)), MODEL=CfgNode(WEIGHTS=""))
`;
const GLEE_CONFIG = `
from detectron2.config import CfgNode
print("GLEE says hello")
def add_glee_config(cfg):
    cfg.MODEL.OURS = CfgNode(FACTOR=0.5, LAYERS=3, START=None, FLAG=True, NAMES=[])
    cfg.SOLVER.WARMUP_FACTOR = 1
`;

const ANSWER = {
  ...{ 'SOLVER.MAX_ITER': 'int', 'SOLVER.BASE_LR': 'float', 'SOLVER.STEPS': 'list', 'MODEL.WEIGHTS': 'str' },
  ...{ 'MODEL.OURS.FACTOR': 'float', 'MODEL.OURS.LAYERS': 'int', 'MODEL.OURS.START': 'any' },
  ...{ 'MODEL.OURS.FLAG': 'bool', 'MODEL.OURS.NAMES': 'list', 'SOLVER.WARMUP_FACTOR': 'int' },
};

test("a checkout's own code says which keys it defines; what it lacks is an error, whatever the shipped list has", async (t) => {
  const checkout = await temporaryFolder(t);
  await writeInto(checkout, 'detectron2/__init__.py', '');
  await writeInto(checkout, 'detectron2/config/__init__.py', DETECTRON2_CONFIG);
  await writeInto(checkout, 'detectron2/config/defaults.py', '');
  await writeInto(checkout, 'projects/GLEE/glee/config.py', GLEE_CONFIG);
  const known = await knownKeys(checkout, 'python3');
  assert.deepEqual(Object.fromEntries(known.types), ANSWER);

  const overrides = { MODEL: { OURS: { FACTOR: 2, LAYERS: 4 } }, SOLVER: { WARMUP_FACTOR: 3, GAMMA: 0.5 } };
  const problems = overrideProblems({ overrides, file: 'mine.yaml', at: 'overrides', known });
  assert.deepEqual(problems.map(describeProblem), [
    'mine.yaml: overrides.SOLVER.GAMMA: is not a key that this GLEE defines: yacs stops the trainer',
  ]);
  // The list that GPU workers write by has no such keys, or other types.
  const yaml = writeGleeYaml({
    ...{ base: '/b.yaml', weights: '/w.pth', outputDir: '/out' },
    overrides: typedOverrides(overrides, known.types),
  });
  assert.match(yaml, /FACTOR: "2\.0"\n/);
  assert.match(yaml, /LAYERS: 4\n/);
  assert.match(yaml, /WARMUP_FACTOR: "3"\n/);

  // Another content is asked for again.
  await writeInto(checkout, 'projects/GLEE/glee/config.py', GLEE_CONFIG.replace('LAYERS', 'DEPTH'));
  assert.equal((await knownKeys(checkout, 'python3')).types.get('MODEL.OURS.DEPTH'), 'int');
});

test('a Python that cannot tell, or a folder without the code, leaves the shipped list', async (t) => {
  const checkout = await temporaryFolder(t);
  assert.equal(await askCheckoutKeys(checkout, 'python3'), undefined);
  await writeInto(checkout, 'detectron2/config/defaults.py', '');
  for (const code of ['raise ImportError()', 'def add_glee_config(cfg): pass', 'print("{}")', '1 +']) {
    await writeInto(checkout, 'projects/GLEE/glee/config.py', code);
    assert.equal(await askCheckoutKeys(checkout, 'python3'), undefined, code);
  }
  assert.equal(await askCheckoutKeys(checkout, join(checkout, 'no-such-python')), undefined);
  const { types, complete } = await knownKeys(checkout, 'python3');
  assert.ok(!complete && types.get('SOLVER.MAX_ITER') === 'int');
  await rm(join(checkout, 'detectron2'), { recursive: true });
});

test('a GLEE config with values of other types is told where it stands, unless an override replaces them', async (t) => {
  const root = await temporaryFolder(t);
  await writeInto(
    root,
    'own.yaml',
    'SOLVER: { MAX_ITER: 1e5, BASE_LR: 1e-4, GAMMA: 1, STEPS: 3 }\nMODEL: { MASK_ON: y, MaskDINO: { DN: no } }\n',
  );
  const places = {
    ...({ stage: 'stage1', at: 'stages.stage1.', file: 'mine.yaml', gleeFile: 'own.yaml' } as const),
    ...{ ownOverrides: { SOLVER: { STEPS: [1] } }, sharedOverrides: {} },
  };
  const known = { types: gleeKeys(), complete: false };
  const found = gleeConfigProblems(await readPythonConfig(root, 'own.yaml'), known, places);
  const set = (key: string) => `. Set stages.stage1.overrides.${key} in mine.yaml to a value of its type`;
  assert.deepEqual(found.map(describeProblem), [
    `own.yaml: SOLVER.MAX_ITER: stage1: must be a whole number, not 100000.0: yacs refuses other types${set('SOLVER.MAX_ITER')}`,
    `own.yaml: SOLVER.GAMMA: stage1: must be written 1.0, not 1: yacs refuses other types${set('SOLVER.GAMMA')}`,
    `own.yaml: MODEL.MASK_ON: stage1: must be true or false, not "y": yacs refuses other types${set('MODEL.MASK_ON')}`,
    `own.yaml: MODEL.MaskDINO.DN: stage1: must be a text, not false: yacs refuses other types${set('MODEL.MaskDINO.DN')}`,
  ]);
  const strict = gleeConfigProblems({ A: { B: 1n } }, { ...known, complete: true }, places).map(
    describeProblem,
  );
  assert.deepEqual(strict, [
    'own.yaml: A.B: stage1: is not a key that this GLEE defines: yacs stops the trainer. Remove it',
  ]);
});

const { GLEE_TEST_CHECKOUT: real = '', GLEE_TEST_PYTHON: python = 'python3' } = process.env;

test(
  'the shipped list is that of GLEE 6f5a19d, and of the stand-in',
  { skip: real === '' && 'GLEE_TEST_CHECKOUT names no real checkout' },
  async () => {
    const asked = await askCheckoutKeys(real, python);
    const shipped = [...gleeKeys()].filter(([key]) => !key.startsWith('SANDBOX.'));
    assert.deepEqual([...(asked ?? [])].sort(), shipped.sort());
  },
);
