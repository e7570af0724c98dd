import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { z } from 'zod';
import { writeGleeYaml } from '../../../planning/glee/write-glee-yaml.ts';
import { gleeKeyType, KEY_TYPES } from '../../../planning/glee/glee-keys.ts';
import { asWritten, typeProblem } from '../../../planning/glee/key-types.ts';
import { isSettings } from '../../../planning/reading/nested-settings.ts';
import type { Overrides } from '../../../contracts/plan.ts';
import { parsePythonLiteral } from '../../../planning/pyyaml/python-literal.ts';
import {
  isPythonList,
  isPythonSettings,
  PythonOther,
  type PythonSettings,
  type PythonValue,
} from '../../../planning/pyyaml/python-value.ts';
import { parsePyYaml } from '../../../planning/pyyaml/read-pyyaml.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { yamlTexts } from '../../fixtures/yaml-texts.ts';
import { DETECTRON2_PYTHON, withoutDetectron2 } from '../../trainer/detectron2-python.ts';

test('YAML is read as PyYAML and yacs read it', { skip: withoutDetectron2 }, async () => {
  const texts = yamlTexts(400).filter((text) => !REFUSED_HERE.test(text));
  const script = join(packageRoot, 'test/fixtures/read_as_yacs.py');
  const { stdout } = await execa(DETECTRON2_PYTHON, ['-W', 'ignore', script], {
    input: JSON.stringify(texts),
  });
  const theirs = z.array(z.json()).parse(JSON.parse(stdout));
  assert.equal(theirs.length, texts.length);
  const different = texts.flatMap((text, index) => {
    const [ours, expected] = [asPythonTells(text), theirs[index]];
    return sameReading(ours, expected)
      ? []
      : [{ text, ours: JSON.stringify(ours), theirs: JSON.stringify(expected) }];
  });
  assert.deepEqual(different, []);
});

/** Refused here, though PyYAML reads it: tags that make objects, its own line breaks, a lone dash within brackets. */
const REFUSED_HERE = /!!python\/(object|name)|\u0085|[[,]-[,\]]/;

test('a value is told to fit a key where yacs takes it', { skip: withoutDetectron2 }, async () => {
  const texts = yamlTexts(0).filter((text) => text.startsWith('K: ') && settingsOf(text) !== undefined);
  const theirs = await asked('merge_as_yacs.py', texts);
  for (const [index, text] of texts.entries()) {
    const value = settingsOf(text)?.K;
    if (value === undefined || text.includes('!!python') || text.includes('L:')) continue;
    const ours = KEY_TYPES.filter((type) => typeProblem(value, type) === undefined);
    assert.deepEqual(ours, theirs[index], text);
  }
});

test('what is written for the trainer is what was meant', { skip: withoutDetectron2 }, async () => {
  const overrides = {
    SOLVER: {
      MAX_ITER: 300,
      BASE_LR: 2,
      GAMMA: 1e-7,
      WEIGHT_DECAY: 1e21,
      STEPS: [100, 2.5, 1e-7],
      AMP: { ENABLED: true },
    },
    DATASETS: { TRAIN: ["it's", 'a: b', 'c #d', 'e "f"', '\\', '\n', '😀é', '1e5', 'y', ''], TEST: [] },
    INPUT: {
      MIN_SIZE_TRAIN_MULTI: [[480, 512], [320]],
      DATASET_MAPPER_NAME: null,
      FORMAT: '1e5',
      MASK_FORMAT: 'on',
    },
    MODEL: { META_ARCHITECTURE: '😀 # "a": \\ \u0085\u2028', DEVICE: "('a', 'b')" },
    ...{ on: false, y: 1, '1': 2, 'a b': -3, '~': 'null', '<<': 'x' },
  };
  const yaml = writeGleeYaml({ base: '/b.yaml', weights: '/w.pth', outputDir: '/out', overrides });
  const [theirs] = await asked('read_as_yacs.py', [yaml]);
  const expected = {
    _BASE_: '/b.yaml',
    ...overrides,
    OUTPUT_DIR: '/out',
    MODEL: { ...overrides.MODEL, WEIGHTS: '/w.pth' },
  };
  assert.deepEqual(theirs, told(written(expected)));
  assert.deepEqual(asPythonTells(yaml), theirs);
});

test('what PyYAML would make an object of is refused, and so is what it alone breaks lines at', () => {
  const texts = yamlTexts(0).filter((text) => REFUSED_HERE.test(text));
  assert.ok(texts.length >= 3);
  for (const text of texts) assert.deepEqual(asPythonTells(text), { error: true }, text);
});

test('y is a text and on a boolean; 1e-4 is a text in a list and a float alone; 1e5 is a float', () => {
  const { value } = parsePyYaml('y: [y, on, 1e-4]\nA: 1e5\nB: 100000\nC: 010\nD: 1.0e+5\n');
  assert.deepEqual(value, { y: ['y', true, '1e-4'], A: '1e5', B: 100_000n, C: 8n, D: 100_000 });
  assert.equal(parsePythonLiteral('1e5'), 100_000);
  assert.equal(parsePythonLiteral('100000'), 100_000n);
});

function sameReading(ours: unknown, theirs: unknown): boolean {
  try {
    assert.deepEqual(ours, theirs);
    return true;
  } catch {
    return false;
  }
}

/** What a script makes of texts, one answer each. */
async function asked(script: string, texts: readonly string[]) {
  const path = join(packageRoot, 'test/fixtures', script);
  const { stdout } = await execa(DETECTRON2_PYTHON, ['-W', 'ignore', path], { input: JSON.stringify(texts) });
  const answers = z.array(z.json()).parse(JSON.parse(stdout));
  assert.equal(answers.length, texts.length);
  return answers;
}

function settingsOf(text: string): PythonSettings | undefined {
  const { value, faults } = parsePyYaml(text);
  if (faults !== undefined || !isPythonSettings(value)) return undefined;
  const settings = decoded(value);
  return isPythonSettings(settings) ? settings : undefined;
}

function written(settings: Overrides, path: readonly string[] = []): PythonValue {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => {
      const at = [...path, key];
      return [key, isSettings(value) ? written(value, at) : asWritten(value, gleeKeyType(at.join('.')))];
    }),
  );
}

function asPythonTells(text: string): unknown {
  const { value, faults } = parsePyYaml(text);
  return faults !== undefined || !isPythonSettings(value) ? { error: true } : told(decoded(value));
}

function decoded(value: PythonValue): PythonValue {
  if (isPythonSettings(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decoded(inner)]));
  }
  const literal = typeof value === 'string' ? parsePythonLiteral(value) : undefined;
  return literal === undefined ? value : literal;
}

function told(value: PythonValue): unknown {
  if (isPythonSettings(value)) {
    return { section: Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, told(inner)])) };
  }
  if (isPythonList(value)) return { list: value.map(told) };
  if (typeof value === 'bigint') return { int: String(value) };
  if (typeof value === 'number') return { float: Number.isFinite(value) ? value + 0 : pythonFloat(value) };
  return value instanceof PythonOther ? { other: true } : { value };
}

function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  return value > 0 ? 'inf' : '-inf';
}
