/** @module Configs that users write, GLEE's own YAML, and Python's literals in it. */
import { loadCatalogue } from '../../planning/artifact-catalog.ts';
import { cronProblem } from '../../planning/schedules/cron.ts';
import { durationMs } from '../../planning/reading/durations.ts';
import { fineTuneConfigSchema, fineTuneJsonSchema } from '../../planning/schemas/fine-tune-schema.ts';
import { parseConfig } from '../../planning/load-config.ts';
import { loadPoolSettings } from '../../planning/pool-settings.ts';
import { parsePythonLiteral } from '../../planning/pyyaml/python-literal.ts';
import { parsePyYaml } from '../../planning/pyyaml/read-pyyaml.ts';
import { jointConfigSchema, jointJsonSchema } from '../../planning/schemas/joint-schema.ts';
import { sweepConfigSchema, sweepJsonSchema } from '../../planning/schemas/sweep-schema.ts';
import { parseYamlSource } from '../../planning/reading/yaml-source.ts';
import { asFile } from './files.ts';
import { textTarget, type Target } from './target.ts';

const CONFIG_ERRORS = ['ConfigError'];
/** Each doubles what stands before it, ten times over. */
const ALIASES = Array.from({ length: 30 }, (_, at) => `a${at}: &a${at} [${`*a${at - 1}, `.repeat(9)}1]`);
const HOSTILE_YAML = [
  ...[`a: ${'['.repeat(20_000)}`, `${'- '.repeat(20_000)}x`, '{a: '.repeat(10_000), 'a: *nowhere', '<<: *a'],
  ...[
    ALIASES.join('\n').replaceAll('*a-1, ', ''),
    'a: &a [*a]',
    `a: ${'9'.repeat(60_000)}`,
    `? ${'? '.repeat(20_000)}`,
  ],
  ...[
    'seeds: 400000000',
    `limits: { stallTimeout: ${'9'.repeat(400)}s }`,
    'limits: { stallTimeout: 0s }',
    '\ufeffa: 1',
  ],
  ...[
    '__proto__: { a: 1 }',
    'a: !!python/object/apply:os.system [x]',
    `a: "${' '.repeat(60_000)}`,
    '%YAML 9.9\n---\na',
  ],
];
const JOINT = `variant: Lite
gang: { hosts: 2, gpusPerHost: 1 }
stages: { stage1: { weights: { artifact: a } }, stage2: }
limits: { heartbeatTimeout: 30s, stallTimeout: 1.5h }
overrides: { SOLVER: { MAX_ITER: 20, STEPS: [15, 18], BASE_LR: 1e-4 } }
`;
const FINE_TUNE =
  'task: odinw/Rabbits\nvariant: Lite\ngang: { hosts: 1, gpusPerHost: 1 }\noverrides: { SOLVER: { MAX_ITER: 60 } }\n';
const SWEEP = `base: finetune/x
space: { overrides.SOLVER.BASE_LR: { logUniform: [1e-5, 1e-3] } }
grid: { overrides.SOLVER.MAX_ITER: [1, 2] }
metric: { name: bbox/AP }
trials: 8
seeds: 2
halving: { rungs: [10, 20], keep: 0.5 }
`;
const GLEE = `_BASE_: base.yaml
MODEL: { META_ARCHITECTURE: "GLEE", PIXEL_MEAN: [123.675, 116.280, 103.530] }
DATASETS:
  TRAIN: ("coco_train", "x",)
SOLVER: { BASE_LR: 1e-4, STEPS: (10, 20), AMP: { ENABLED: on } }
`;

const configTarget = (
  name: string,
  schema: Parameters<typeof parseConfig>[2],
  jsonSchema: unknown,
  seed: string,
): Target =>
  textTarget(name, (text) => parseConfig(name, parseYamlSource(name, text), schema, jsonSchema), {
    seeds: [seed],
    hostile: HOSTILE_YAML,
    errors: CONFIG_ERRORS,
  });

export const CONFIG_TARGETS: readonly Target[] = [
  configTarget('joint-config', jointConfigSchema, jointJsonSchema(), JOINT),
  configTarget('fine-tune-config', fineTuneConfigSchema, fineTuneJsonSchema(), FINE_TUNE),
  configTarget('sweep-config', sweepConfigSchema, sweepJsonSchema(), SWEEP),
  textTarget('glee-yaml', parsePyYaml, { seeds: [GLEE], hostile: HOSTILE_YAML }),
  textTarget('python-literal', parsePythonLiteral, {
    seeds: ["('a', 1, -2.5e3, True, None, [1, {'b': (2,)}])", '"x" "y"', '(1,)', '0x1f + 2'],
    hostile: [
      '9'.repeat(40_000),
      '('.repeat(30_000),
      `-${'-'.repeat(60_000)}1`,
      `'${'\\'.repeat(60_000)}`,
      `1${'_0'.repeat(30_000)}`,
    ],
  }),
  {
    ...textTarget('catalogue', () => undefined, {
      seeds: [
        'artifacts:\n  a: { path: weights/a.pth, download: [https://h/a.pth, hf://l/m/a.pth], sha256: ' +
          `${'a'.repeat(64)} }\n  b: { path: b.pth, convert: { from: a, drop: [x], prefix: net. } }\n` +
          '  c: { path: c.pth, merge: { base: a, except: x., from: b } }\n',
      ],
      hostile: HOSTILE_YAML,
      errors: CONFIG_ERRORS,
    }),
    run: asFile('artifacts.yaml', (_path, folder) => loadCatalogue(folder)),
  },
  {
    ...textTarget('pool-settings', () => undefined, {
      seeds: ['quotas: { team-a: 4 }\naging: 1h\n'],
      hostile: HOSTILE_YAML,
      errors: CONFIG_ERRORS,
    }),
    run: asFile('pools/default.yaml', (_path, folder) => loadPoolSettings('default', folder)),
  },
  textTarget('duration', durationMs, {
    seeds: ['30s', '1.5h', '100ms'],
    hostile: ['9'.repeat(400) + 's', '1'.repeat(60_000)],
  }),
  textTarget('cron', cronProblem, {
    seeds: ['0 3 * * mon-fri', '*/15 1,2 1-5 * *'],
    hostile: ['*/1,'.repeat(15_000), '1-'.repeat(30_000)],
  }),
];
