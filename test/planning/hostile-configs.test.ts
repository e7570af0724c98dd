import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readGleeConfig } from '../../planning/glee/glee-config.ts';
import { loadFineTuneConfig, loadJointConfig } from '../../planning/load-config.ts';
import { ConfigError } from '../../planning/reading/problems.ts';
import { loadPoolSettings } from '../../planning/pool-settings.ts';
import { loadSweepPlan } from '../../planning/sweeps/load-sweep.ts';
import { temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';

const JOINT = 'variant: Lite\ngang: { hosts: 1, gpusPerHost: 2 }\nstages:\n  stage1:\n';
const FINE_TUNE = 'task: odinw/Rabbits\nvariant: Lite\n';
const SWEEP = 'base: finetune/base\nmetric: { name: bbox/AP }\nconcurrency: 1\n';
const GRID = 'grid: { overrides.SOLVER.BASE_LR: [0.1, 0.2] }\n';
const NINES = '9'.repeat(400);

/** Each alias stands for ten of the one before. */
const BOMB = Array.from({ length: 10 }, (_, index) =>
  index === 0
    ? 'a0: &a0 [x]\n'
    : `a${index}: &a${index} [${Array(10)
        .fill(`*a${index - 1}`)
        .join(', ')}]\n`,
).join('');

type Case = readonly [name: string, yaml: string, problem: RegExp];

const ANY_CONFIG: readonly Case[] = [
  [
    'an alias bomb',
    `${JOINT}overrides:\n${BOMB.replaceAll(/^/gm, '  ')}`,
    /:\d+: has more than 20000 values/,
  ],
  ['an alias of nothing', `${JOINT}overrides: *none\n`, /:5: .*none/],
  ['an alias within itself', `${JOINT}overrides: &a { B: *a }\n`, /:5: alias \*a stands within itself/],
  ['20,000 brackets', `${JOINT}overrides: ${'['.repeat(20_000)}`, /:5: is nested deeper than 64 levels/],
  [
    '20,000 braces on lines',
    `${JOINT}overrides: ${'{\n'.repeat(20_000)}`,
    /: is nested deeper than 64 levels/,
  ],
  ['20,000 lists in lists', `${JOINT}overrides:\n${'- '.repeat(20_000)}1\n`, /:6: is nested deeper than 64/],
  ['20,000 keys in keys', `${JOINT}overrides:\n${'? '.repeat(20_000)}1\n`, /:6: is nested deeper than 64/],
  [
    'a level for each line',
    `${JOINT}overrides:\n${Array.from({ length: 300 }, (_, level) => `${' '.repeat(level + 1)}a:`).join('\n')}\n`,
    /: is nested deeper than 64 levels/,
  ],
  ['brackets that close within quotes', `${JOINT}overrides: ${'["]", '.repeat(200)}`, /:5: is nested deeper/],
  ['a file of 300 KiB', `${JOINT}${'# comment\n'.repeat(30_000)}`, /:1: has 300\d+ characters, more than/],
  ['__proto__', `${JOINT}overrides: { __proto__: { hosts: 3 } }\n`, /:5: '__proto__' can't be a key/],
  ['constructor', `${JOINT}overrides: { SOLVER: { constructor: 1 } }\n`, /:5: 'constructor' can't be a key/],
  ['a key that is a list', `${JOINT}overrides: { [a, b]: 1 }\n`, /:5: has a key that is not text/],
  ['a merge of a number', `${JOINT}overrides: { <<: 3 }\n`, /is not valid YAML: Merge sources must be maps/],
];

const JOINT_CONFIG: readonly Case[] = [
  [
    'a duration of 400 nines',
    `${JOINT}limits: { stallTimeout: ${NINES}h }\n`,
    /:5: limits\.stallTimeout: '9{100}…' is no duration/,
  ],
  [
    'a duration of 0',
    `${JOINT}limits: { heartbeatTimeout: 0s }\n`,
    /:5: .*heartbeatTimeout: must be from 500ms to 1d/,
  ],
  [
    'a duration of years',
    `${JOINT}limits: { hostTimeout: 99999d }\n`,
    /:5: .*hostTimeout: must be from 1s to 30d/,
  ],
  ['a saving period of 0s', `${JOINT}checkpointPeriod: 0s\n`, /:5: checkpointPeriod: must be from 1s to 30d/],
  [
    '300,000,000 hosts',
    JOINT.replace('hosts: 1', 'hosts: 300000000'),
    /:2: gang\.hosts: must be at most 1024/,
  ],
  [
    'infinity',
    `${JOINT}overrides: { SOLVER: { BASE_LR: .inf } }\n`,
    /:5: overrides\.SOLVER\.BASE_LR: must be a finite number/,
  ],
  [
    'no number',
    `${JOINT}overrides: { SOLVER: { BASE_LR: .nan } }\n`,
    /:5: overrides\.SOLVER\.BASE_LR: must be a finite/,
  ],
  [
    '1e400',
    `${JOINT}overrides: { SOLVER: { BASE_LR: 1e400 } }\n`,
    /:5: overrides\.SOLVER\.BASE_LR: must be a finite/,
  ],
  [
    'an int that JSON cuts',
    `${JOINT}overrides: { SEED: 9007199254740993 }\n`,
    /:5: overrides\.SEED: is a whole number of more/,
  ],
  [
    'a NUL in a text',
    `${JOINT}overrides: { MODEL: { DEVICE: "a\\0" } }\n`,
    /:5: overrides\.MODEL\.DEVICE: has control/,
  ],
  [
    'half a character',
    `${JOINT}overrides: { MODEL: { DEVICE: "\\ud800" } }\n`,
    /:5: overrides\.MODEL\.DEVICE: has control/,
  ],
  [
    'a text of 20,000',
    `${JOINT}overrides: { MODEL: { DEVICE: ${'x'.repeat(20_000)} } }\n`,
    /:5: .*at most 10000 characters/,
  ],
  ['a key with a line break', `${JOINT}overrides: { "A\\nB": 1 }\n`, /:5: overrides: has the key "A\\nB"/],
  [
    '10,000 values',
    `${JOINT}overrides: { A: [${'1,'.repeat(10_000)}] }\n`,
    /:5: .*has more than 5000 values/,
  ],
  [
    'a path with a line break',
    JOINT.replace('stage1:', 'stage1: { weights: { path: "a\\nb" } }'),
    /:4: .*control characters/,
  ],
  [
    'a label with a space',
    `${JOINT}needs: { labels: { zone: "a b" } }\n`,
    /:5: needs\.labels\.zone: 'a b' is no value/,
  ],
  [
    'escapes for a screen',
    JOINT.replace('Lite', '"\\e[2JLite"'),
    /:1: variant: "\\u001b\[2JLite" is none of/,
  ],
];

const FINE_TUNE_CONFIG: readonly Case[] = [
  [
    'a data set with a quote',
    `${FINE_TUNE}evaluation: { datasets: ["a'); import os"] }\n`,
    /:3: evaluation\.datasets\.0: .*is not a name/,
  ],
  [
    'a seed beyond 32 bits',
    `${FINE_TUNE}fewShot: { shots: 1, seed: 4294967296 }\n`,
    /:3: fewShot\.seed: must be at most/,
  ],
  ['a task that leads out', 'task: odinw/../../x\nvariant: Lite\n', /:1: task/],
];

const SWEEP_CONFIG: readonly Case[] = [
  ['400,000,000 seeds', `${SWEEP}${GRID}seeds: 400000000\n`, /:5: seeds: must be at most 5000/],
  ['-1 seeds', `${SWEEP}${GRID}seeds: -1\n`, /:5: seeds: must be at least 1/],
  ['a seed of 2^40', `${SWEEP}${GRID}seeds: [1099511627776]\n`, /:5: seeds\.0: must be at most 2147483647/],
  [
    '1,000,000,000 draws',
    `${SWEEP}random: { samples: 1000000000, seed: 1, space: { overrides.SOLVER.BASE_LR: { uniform: [0, 1] } } }\n`,
    /:4: random\.samples: must be at most 5000/,
  ],
  [
    'a grid of infinity',
    `${SWEEP}grid: { overrides.SOLVER.BASE_LR: [.inf] }\n`,
    /:4: grid\..*must be a finite number/,
  ],
  ['a parameter __proto__', `${SWEEP}grid: { __proto__: [1] }\n`, /:4: '__proto__' can't be a key/],
];

describe('a config that would harm whoever reads it is refused, with file and line', () => {
  refuses([...ANY_CONFIG, ...JOINT_CONFIG], 'joint/mine', (folder) => loadJointConfig('joint/mine', folder));
  refuses(FINE_TUNE_CONFIG, 'finetune/mine', (folder) => loadFineTuneConfig('finetune/mine', folder));
  refuses(SWEEP_CONFIG, 'sweeps/mine', (folder) => loadSweepPlan('sweeps/mine', folder));

  it('a base of a sweep with an alias bomb', async (t) => {
    const folder = await folderWith(t, 'sweeps/mine', `${SWEEP}${GRID}`);
    await writeInto(folder, 'finetune/base.yaml', `${FINE_TUNE}overrides:\n${BOMB.replaceAll(/^/gm, '  ')}`);
    const message = await refusal(loadSweepPlan('sweeps/mine', folder));
    assert.match(message, /finetune\/base\.yaml:\d+: has more than 20000 values/);
  });

  it('a pool of aliases, and a pool of bytes that are no text', async (t) => {
    const folder = await folderWith(t, 'pools/p', BOMB);
    assert.match(await refusal(loadPoolSettings('p', folder)), /p\.yaml:\d+: has more than 20000 values/);
    await writeFile(join(folder, 'pools/p.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]));
    assert.match(await refusal(loadPoolSettings('p', folder)), /p\.yaml: cannot be read: it is not UTF-8/);
  });

  it("GLEE's own config of aliases, brackets or a gigabyte", async (t) => {
    for (const [yaml, problem] of [
      [BOMB, /^a\.yaml:\d+: has more than 20000 values/],
      ['K: '.concat('['.repeat(20_000)), /^a\.yaml:1: is nested deeper/],
      ['K: *none\n', /^a\.yaml:1: .*none/],
      ['on: 1\n', /^a\.yaml:1: key 'on' is not text to PyYAML, but a bool: quote it/],
      ['K:\t1\n', /^a\.yaml:1: has a tab/],
      ['__proto__: { K: 1 }\n', /^a\.yaml:1: '__proto__' can't be a key/],
      ['K: !!python/object/apply:os.system [true]\n', /^a\.yaml:1: tag .*os\.system is none that/],
    ] as const) {
      const folder = await temporaryFolder(t);
      await writeInto(folder, 'a.yaml', yaml);
      assert.match(await refusal(readGleeConfig(folder, 'a.yaml')), problem);
    }
  });
});

it('<< is merged in a user config, as everywhere', async (t) => {
  const yaml = `${FINE_TUNE}overrides:\n  SOLVER: &b { MAX_ITER: 100, CHECKPOINT_PERIOD: 50 }\n  TEST:\n    <<: *b\n    MAX_ITER: 3\n`;
  const { config } = await loadFineTuneConfig('finetune/mine', await folderWith(t, 'finetune/mine', yaml));
  assert.deepEqual(config.overrides?.TEST, { MAX_ITER: 3, CHECKPOINT_PERIOD: 50 });
});

function refuses(cases: readonly Case[], name: string, load: (folder: string) => Promise<unknown>): void {
  for (const [title, yaml, problem] of cases) {
    it(title, async (t) => {
      const folder = await folderWith(t, name, yaml);
      const began = performance.now();
      const message = await refusal(load(folder));
      assert.ok(message.startsWith(`${folder}/${name}.yaml`), message.slice(0, 300));
      assert.match(message, problem);
      assert.ok(message.length < 20_000 && performance.now() - began < 3000);
    });
  }
}

async function folderWith(t: TestContext, name: string, yaml: string): Promise<string> {
  const folder = await temporaryFolder(t);
  await writeInto(folder, 'finetune/base.yaml', FINE_TUNE);
  await writeInto(folder, `${name}.yaml`, yaml);
  return folder;
}

async function refusal(loading: Promise<unknown>): Promise<string> {
  const error: unknown = await loading.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(error instanceof ConfigError, `expected a ConfigError, got ${String(error)}`);
  return error.message;
}
