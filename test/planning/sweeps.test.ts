import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { RUN_ID_PATTERN } from '../../contracts/ids.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { ConfigError } from '../../planning/reading/problems.ts';
import { listSweeps, loadSweepPlan } from '../../planning/sweeps/load-sweep.ts';
import { sweepJsonSchema } from '../../planning/schemas/sweep-schema.ts';
import { expandSweep, trialOf, trialSettings } from '../../planning/sweeps/sweep-space.ts';
import { temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';

const HEAD = 'base: finetune/base\nmetric: { name: bbox/AP }\nconcurrency: 1\n';
const BASE = 'task: odinw/Rabbits\nvariant: Lite\noverrides: { SOLVER: { MAX_ITER: 100 } }\n';
const LR = 'overrides.SOLVER.BASE_LR';

test('a grid is every combination, the first key slowest, seeds fastest', async (t) => {
  const yaml = `${HEAD}grid:\n  task: [odinw/Rabbits, odinw/Raccoon]\n  ${LR}: [0.0001, 1.0e-7]\nseeds: 2\n`;
  const { plan, trials } = await expanded(t, yaml);
  assert.equal(plan.trials, 8);
  assert.deepEqual(
    trials.slice(0, 5).map(({ id }) => id),
    [
      'rabbits-lr0.0001-s1',
      'rabbits-lr0.0001-s2',
      'rabbits-lr1e-7-s1',
      'rabbits-lr1e-7-s2',
      'raccoon-lr0.0001-s1',
    ],
  );
  const [first] = trials;
  assert.deepEqual(first?.parameters, { task: 'odinw/Rabbits', [LR]: 0.0001 });
  assert.equal(first.group, 'odinw/Rabbits');
});

test('parameters are laid into the base config, and leave the rest of it', async (t) => {
  const { plan, trials } = await expanded(t, `${HEAD}list:\n  - { ${LR}: 0.5, variant: Plus }\n`);
  assert.deepEqual(trialSettings(plan, trials[0]?.parameters ?? {}), {
    task: 'odinw/Rabbits',
    variant: 'Plus',
    overrides: { SOLVER: { MAX_ITER: 100, BASE_LR: 0.5 } },
  });
});

test('a key that is not varied has no place in the id, and the group is the base config’s task', async (t) => {
  const { trials } = await expanded(t, `${HEAD}list:\n  - { ${LR}: 0.5, variant: Plus }\n`);
  assert.deepEqual(
    trials.map(({ id, group }) => [id, group]),
    [['s1', 'odinw/Rabbits']],
  );
});

test('the same file gives the same trials; another seed gives others, within their ranges', async (t) => {
  const yaml = (seed: number) =>
    `${HEAD}random:\n  samples: 50\n  seed: ${seed}\n  space:\n    ${LR}: { logUniform: [0.000001, 0.001] }\n    drop: { uniform: [0, 0.5] }\n    variant: { choice: [Lite, Plus] }\n`;
  const one = (await expanded(t, yaml(1))).trials;
  assert.deepEqual((await expanded(t, yaml(1))).trials, one);
  assert.notDeepEqual((await expanded(t, yaml(2))).trials, one);
  const rates = one.map(({ parameters }) => Number(parameters[LR]));
  assert.ok(rates.every((rate) => rate >= 1e-6 && rate <= 1e-3));
  // Evenly by order of magnitude: a third of the draws lies in each of the three.
  assert.ok(rates.filter((rate) => rate < 1e-5).length > 8, rates.join());
  assert.match(one[0]?.id ?? '', /^lr[\de.-]+-drop[\d.]+-(lite|plus)-s1$/);
});

test('each combination of the grid has the same draws, so that data sets can be compared', async (t) => {
  const yaml = `${HEAD}grid: { task: [odinw/Rabbits, odinw/Raccoon] }\nrandom: { samples: 2, seed: 1, space: { ${LR}: { uniform: [0, 1] } } }\n`;
  const rates = (await expanded(t, yaml)).trials.map(({ parameters }) => parameters[LR]);
  assert.deepEqual(rates.slice(0, 2), rates.slice(2));
});

test('a trial is known by its inputs: those of its id alone, whatever else the sweep tries', async (t) => {
  const small = await expanded(t, `${HEAD}grid: { ${LR}: [0.1, 0.2] }\n`);
  const large = await expanded(t, `${HEAD}grid: { ${LR}: [0.3, 0.2] }\nseeds: [1, 5]\n`);
  assert.equal(small.trials[1]?.inputs, large.trials[2]?.inputs);
  assert.equal(new Set(large.trials.map(({ inputs }) => inputs)).size, 4);
  assert.equal(trialOf(large.plan, { [LR]: 0.2 }, 5).inputs, large.trials[3]?.inputs);
});

test('thousands of trials are counted at once, and each is built by its place alone', async (t) => {
  const rates = Array.from({ length: 2500 }, (_, index) => index / 10_000).join(', ');
  const { plan, trials } = await expanded(t, `${HEAD}grid: { ${LR}: [${rates}] }\nseeds: 2\n`);
  assert.equal(plan.trials, 5000);
  const all = expandSweep(plan);
  assert.deepEqual(all.trialAt(4321), trials[4321]);
  assert.equal(all.trialAt(5000), undefined);
  assert.equal(new Set(trials.map(({ id }) => id)).size, 5000);
});

test('an id fits into a run id, however long the values are', async (t) => {
  const long = 'x'.repeat(80);
  const { trials } = await expanded(
    t,
    `${HEAD}grid: { weights: [{ from: a/b/${long}1 }, { from: a/${long}2 }, 'ä ö/..'] }\n`,
  );
  for (const { id } of trials) assert.match(id, RUN_ID_PATTERN);
  assert.equal(new Set(trials.map(({ id }) => id)).size, 3);
  assert.ok(trials.every(({ id }) => id.length <= 40));
});

for (const [what, yaml, expected] of [
  ['an empty space', '', /mine\.yaml: has an empty search space/],
  ['an empty grid value', 'grid:\n  task: []\n', /mine\.yaml:5: grid\.task: must have at least 1/],
  ['an unknown key', 'grdi: { task: [a] }\n', /mine\.yaml:4: grdi: unknown key; did you mean 'grid'\?/],
  [
    'a wrong distribution',
    `random:\n  samples: 1\n  seed: 1\n  space:\n    ${LR}: { logUnifrom: [1, 2] }\n`,
    /unknown key; did you mean 'logUniform'/,
  ],
  [
    'a range upside down',
    `random:\n  samples: 1\n  seed: 1\n  space:\n    a: { uniform: [2, 1] }\n`,
    /mine\.yaml:8: random\.space\.a\.uniform: must be \[lowest, highest\]/,
  ],
  ['a trial twice', 'grid:\n  task: [odinw/Rabbits, odinw/Rabbits]\n', /names a trial twice/],
  ['a seed twice', 'list:\n  - { task: a }\nseeds: [1, 1]\n', /mine\.yaml:6: seeds: names a seed twice/],
  [
    'too few choices',
    'random:\n  samples: 3\n  seed: 1\n  space:\n    variant: { choice: [Lite, Plus] }\n',
    /:5: random\.samples: is 3, but only 2 different draws were found/,
  ],
  [
    'absurd sizes',
    `grid:\n  a: [1,2,3,4,5,6,7,8,9,10]\nrandom: { samples: 5000, seed: 1, space: { b: { uniform: [0, 1] } } }\n`,
    /has 50000 trials \(10 a × 5000 draws × 1 seeds\), more than the 5000/,
  ],
  [
    'one key in two places',
    `grid:\n  ${LR}: [1]\nlist:\n  - { ${LR}: 2 }\n`,
    /sets 'overrides\.SOLVER\.BASE_LR', which .* sets as well/,
  ],
  [
    'a key below a value',
    'grid:\n  task.name: [a]\n',
    /mine\.yaml:4: grid: sets 'task\.name', but 'task' of finetune\/base is no map/,
  ],
  ['a seed as a parameter', 'grid:\n  overrides.SEED: [1, 2]\n', /write it as seeds/],
  [
    'rungs that fall',
    'grid: { a: [1] }\nearlyStopping:\n  asha: { rungs: [5, 5] }\n',
    /earlyStopping\.asha\.rungs: must ascend/,
  ],
] as const) {
  test(`${what} is told with file, line and key`, async (t) => {
    const error: unknown = await expanded(t, HEAD + yaml).catch((error: unknown) => error);
    assert.ok(error instanceof ConfigError, String(error));
    assert.match(error.message, expected);
  });
}

test('a base config that is not there is told where it is named', async (t) => {
  const error: unknown = await expanded(t, HEAD.replace('base\n', 'bass\n') + 'grid: { a: [1] }\n').catch(
    (error: unknown) => error,
  );
  assert.ok(error instanceof ConfigError);
  assert.match(
    error.message,
    /mine\.yaml:1: base: no config 'finetune\/bass'; did you mean 'finetune\/base'\?/,
  );
});

test('the shipped sweeps are 52 trials of ODinW and twelve in the sandbox', async () => {
  const counts = await Promise.all(
    (await listSweeps()).map(async (name) => [name, (await loadSweepPlan(name)).trials]),
  );
  assert.deepEqual(counts, [
    ['sweeps/odinw13-lr', 52],
    ['sweeps/sandbox', 12],
  ]);
});

test('the JSON Schema of sweeps is current; else run `npm run schema`', async () => {
  const written: unknown = JSON.parse(await readFile(join(packageRoot, 'configs/sweep.schema.json'), 'utf8'));
  assert.deepEqual(written, JSON.parse(JSON.stringify(sweepJsonSchema())));
});

async function expanded(t: TestContext, yaml: string) {
  const folder = await temporaryFolder(t);
  await writeInto(folder, 'sweeps/mine.yaml', yaml);
  await writeInto(folder, 'finetune/base.yaml', BASE);
  const plan = await loadSweepPlan('sweeps/mine', folder);
  return { plan, trials: [...expandSweep(plan).trials()] };
}
