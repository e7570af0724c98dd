import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { execa } from 'execa';
import { z } from 'zod';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { fixture } from '../activities/training/jobs.ts';
import { temporaryFolder } from '../fixtures/glee-checkout.ts';
import { makeStandIn, readMetrics, sha256, stage1, type StandIn } from '../sandbox/stand-in.ts';
import { DETECTRON2_PYTHON, withoutDetectron2 } from './detectron2-python.ts';

const companion = join(packageRoot, 'trainer/companion.py');
const SCRIPT = 'projects/GLEE/train_net.py';
const SAID = /^glee: the learning rate .*$/gm;

interface Start {
  readonly script?: string;
  readonly ranks?: number;
  readonly resume?: boolean;
  readonly set?: Readonly<Record<string, string | number>>;
}

describe(
  "the learning rate of a resumed training, with detectron2's own engine",
  { skip: withoutDetectron2, concurrency: 2 },
  () => {
    let root = '';
    /** Trained for 40 iterations with a rate of 0.001 and, as biases have a multiplier, two groups; last_checkpoint is of 20. */
    let begun = '';
    before(async () => {
      root = await mkdtemp(join(tmpdir(), 'glee-rate-'));
      await makeCheckout(root);
      begun = join(root, 'begun');
      await succeed(start(root, begun));
      await writeFile(join(begun, 'last_checkpoint'), 'model_0000019.pth');
    });
    after(() => rm(root, { recursive: true, force: true }));

    const copyOfBegun = async (test: TestContext) => copied(test, begun);

    it('is that of this start in all groups and on all ranks, from the first iteration on', async (test) => {
      const output = await copyOfBegun(test);
      const set = { 'SOLVER.BASE_LR': 0.0005, 'SOLVER.CHECKPOINT_PERIOD': 1 };
      const all = await succeed(
        start(root, output, { ranks: 2, resume: true, set: { ...set, 'SOLVER.MAX_ITER': 21 } }),
      );
      assert.deepEqual(all.match(SAID), [
        "glee: the learning rate of 2 of 2 parameter groups is now this start's, not the checkpoint's: 0.0005 (base 0.0005) instead of 0.001 (base 0.001)",
      ]);
      assert.deepEqual(await ratesIn(output), [
        [19, 0.001],
        [39, 0.001 * 0.1],
        [20, 0.0005],
      ]);
      assert.deepEqual(await groupsIn(output, 'model_0000020.pth'), {
        bases: [0.0005, 0.0005 * 0.2],
        initial: [0.0005, 0.0005 * 0.2],
        lr: [0.0005, 0.0005 * 0.2],
      });

      const more = await succeed(start(root, output, { ranks: 2, resume: true, set }));
      assert.doesNotMatch(more, /glee: /, 'its own checkpoint has the new rate');
      assert.deepEqual((await ratesIn(output)).at(-1), [39, 0.0005 * 0.1], 'GAMMA after STEPS');
    });

    it("is the checkpoint's where the companion is not there: detectron2 ignores the config's", async (test) => {
      const output = await copyOfBegun(test);
      const set = { 'SOLVER.BASE_LR': 0.0005, 'SOLVER.MAX_ITER': 21 };
      await succeed(start(root, output, { script: SCRIPT, resume: true, set }));
      assert.deepEqual((await ratesIn(output)).at(-1), [20, 0.001]);
    });

    it('leaves a training whose config is the same as if it had not been interrupted, bit by bit', async (test) => {
      const resumed = await copyOfBegun(test);
      await rm(join(resumed, 'images.rank0'));
      assert.doesNotMatch(await succeed(start(root, resumed, { resume: true })), /glee: /);
      const images = (await readFile(join(begun, 'images.rank0'), 'utf8')).split(/^/m);
      assert.equal(await readFile(join(resumed, 'images.rank0'), 'utf8'), images.slice(20).join(''));
      assert.equal(await contentOf(resumed), await contentOf(begun));
    });

    it('follows the schedule of this start at once where the stage is longer now', async (test) => {
      const output = await copyOfBegun(test);
      await writeFile(join(output, 'last_checkpoint'), 'model_final.pth');
      const set = { 'SOLVER.MAX_ITER': 60, 'SOLVER.STEPS': '(50,)' };
      const all = await succeed(start(root, output, { resume: true, set }));
      assert.match(all, /Starting training from iteration 40/);
      assert.match(
        all.match(SAID)?.[0] ?? '',
        /: 0\.001 \(base 0\.001\) instead of 0\.0001 \(base 0\.001\)$/,
      );
      assert.deepEqual((await ratesIn(output)).at(-1), [59, 0.001 * 0.1]);
      const { lr } = await groupsIn(output, 'model_0000049.pth');
      assert.deepEqual(lr, [0.001 * 0.1, 0.001 * 0.2 * 0.1]);
    });

    /**
     * detectron2 trains no iteration, evaluates, and ends with status 0: it writes no checkpoint and no model_final.pth,
     * and last_checkpoint continues naming the one that is beyond the end. Its schedule has no value there, so it would raise
     * a RuntimeError if it were asked for a rate, which no one does.
     */
    it("is no one's concern where the stage is shorter now than what is done", async (test) => {
      const output = await copyOfBegun(test);
      await rm(join(output, 'model_final.pth'));
      await writeFile(join(output, 'last_checkpoint'), 'model_0000039.pth');
      const before = await readdir(output);
      const set = { 'SOLVER.MAX_ITER': 35, 'SOLVER.BASE_LR': 0.0005 };
      const all = await succeed(start(root, output, { resume: true, set }));
      assert.match(all, /Starting training from iteration 40/);
      assert.doesNotMatch(all, /glee: |Traceback/);
      assert.deepEqual(await readdir(output), before, 'no model_final.pth');
      assert.equal(await readFile(join(output, 'last_checkpoint'), 'utf8'), 'model_0000039.pth');
      assert.deepEqual(await ratesIn(output), await ratesIn(begun));
    });

    it("stays the checkpoint's, with a note, under a scheduler that is not detectron2's", async (test) => {
      const other = await temporaryFolder(test);
      await makeCheckout(other, (script) =>
        script.replace(
          '    @classmethod\n    def test(',
          '    @classmethod\n    def build_lr_scheduler(cls, cfg, optimizer):\n' +
            '        return torch.optim.lr_scheduler.StepLR(optimizer, 1000)\n\n    @classmethod\n    def test(',
        ),
      );
      const output = join(other, 'out');
      await succeed(start(other, output));
      await writeFile(join(output, 'last_checkpoint'), 'model_0000019.pth');
      const same = await succeed(start(other, output, { resume: true, set: { 'SOLVER.MAX_ITER': 21 } }));
      assert.doesNotMatch(same, /glee: /);
      await writeFile(join(output, 'last_checkpoint'), 'model_0000019.pth');
      const set = { 'SOLVER.BASE_LR': 0.0005, 'SOLVER.MAX_ITER': 21 };
      const all = await succeed(start(other, output, { resume: true, set }));
      assert.deepEqual(all.match(/^glee: .*$/gm), [
        "glee: the companion does without the learning rate of this start's config: TypeError: StepLR is not detectron2's LRMultiplier",
      ]);
      assert.deepEqual((await ratesIn(output)).at(-1), [20, 0.001]);
    });
  },
);

describe('the learning rate of a resumed training, with the stand-in', { concurrency: 2 }, () => {
  let root = '';
  let standIn: StandIn = { checkout: '', python: '' };
  let begun = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'glee-rate-stand-in-'));
    standIn = await makeStandIn(root);
    begun = join(root, 'begun');
    await succeed(startStandIn(standIn, begun));
    await writeFile(join(begun, 'last_checkpoint'), 'model_0000019.pth');
  });
  after(() => rm(root, { recursive: true, force: true }));

  it('is that of this start, in the metrics and in what is learned', async (test) => {
    const [same, lower] = [await copied(test, begun), await copied(test, begun)];
    const final = await sha256(join(begun, 'model_final.pth'));
    await succeed(startStandIn(standIn, same, { resume: true }));
    assert.equal(await sha256(join(same, 'model_final.pth')), final);
    const all = await succeed(
      startStandIn(standIn, lower, { resume: true, set: { 'SOLVER.BASE_LR': 0.005 } }),
    );
    assert.doesNotMatch(all, /glee: /, 'there is nothing to be put back');
    assert.deepEqual((await ratesIn(lower)).slice(-2), [
      [29, 0.005],
      [39, 0.005 * 0.1],
    ]);
    assert.notEqual(await sha256(join(lower, 'model_final.pth')), final);
  });

  it('follows the schedule of this start where the stage is longer now', async (test) => {
    const output = await copied(test, begun);
    await writeFile(join(output, 'last_checkpoint'), 'model_final.pth');
    const set = { 'SOLVER.MAX_ITER': 60, 'SOLVER.STEPS': '(50,)' };
    assert.match(await succeed(startStandIn(standIn, output, { resume: true, set })), /from iteration 40/);
    assert.deepEqual((await ratesIn(output)).slice(-2), [
      [49, 0.01],
      [59, 0.01 * 0.1],
    ]);
  });

  /** As detectron2: no iteration, an evaluation, status 0, and neither a checkpoint nor a model_final.pth. */
  it("is no one's concern where the stage is shorter now than what is done", async (test) => {
    const output = await copied(test, begun);
    await rm(join(output, 'model_final.pth'));
    await writeFile(join(output, 'last_checkpoint'), 'model_0000039.pth');
    const before = await readdir(output);
    const set = { 'SOLVER.MAX_ITER': 35, 'SOLVER.BASE_LR': 0.005 };
    assert.match(await succeed(startStandIn(standIn, output, { resume: true, set })), /from iteration 40/);
    assert.deepEqual(await readdir(output), before, 'no model_final.pth');
    assert.deepEqual(await ratesIn(output), await ratesIn(begun));
  });
});

async function makeCheckout(folder: string, change = (script: string) => script): Promise<void> {
  await mkdir(join(folder, 'projects/GLEE'), { recursive: true });
  const script = await readFile(fixture('detectron2-train_net.py'), 'utf8');
  await writeFile(join(folder, SCRIPT), change(script));
}

function start(checkout: string, output: string, options: Start = {}) {
  const own = { 'MODEL.WEIGHTS': "''", 'SOLVER.IMS_PER_BATCH': 2, SEED: 7, 'SOLVER.BIAS_LR_FACTOR': 0.2 };
  const rate = { 'SOLVER.BASE_LR': 0.001, 'SOLVER.WARMUP_ITERS': 5, 'SOLVER.STEPS': '(30,)' };
  const ranks = ['--num-gpus', String(options.ranks ?? 1), '--dist-url', 'auto'];
  const env = { OMP_NUM_THREADS: '1', FIXTURE_SECONDS: '0' };
  return run(DETECTRON2_PYTHON, checkout, output, ranks, { ...own, ...rate }, options, env);
}

function startStandIn({ checkout, python }: StandIn, output: string, options: Start = {}) {
  const config = ['--config-file', `projects/GLEE/configs/images/${stage1}.yaml`];
  const rate = { 'SOLVER.BASE_LR': 0.01, 'SOLVER.WARMUP_ITERS': 5, 'SOLVER.STEPS': '(30,)' };
  return run(python, checkout, output, config, { ...rate, 'SANDBOX.METRICS_PERIOD': 10 }, options, {});
}

function run(
  python: string,
  cwd: string,
  output: string,
  first: readonly string[],
  settings: Readonly<Record<string, string | number>>,
  { script = companion, resume = false, set = {} }: Start,
  env: Readonly<Record<string, string>>,
) {
  const iterations = { OUTPUT_DIR: output, 'SOLVER.MAX_ITER': 40, 'SOLVER.CHECKPOINT_PERIOD': 10 };
  const all = Object.entries({ ...iterations, ...settings, ...set })
    .flat()
    .map(String);
  const args = [script, ...first, ...(resume ? ['--resume'] : []), ...all];
  return execa(python, args, { cwd, env, reject: false, all: true });
}

async function succeed(training: ReturnType<typeof run>): Promise<string> {
  const { exitCode, all } = await training;
  assert.equal(exitCode, 0, all);
  return all;
}

async function copied(test: TestContext, output: string): Promise<string> {
  const copy = join(await temporaryFolder(test), 'out');
  await cp(output, copy, { recursive: true });
  return copy;
}

/** Iteration and rate of each line of metrics that has one. */
async function ratesIn(output: string): Promise<[number, unknown][]> {
  const lines = (await readMetrics(output)).filter(({ lr }) => lr !== undefined);
  return lines.map(({ iteration, lr }) => [iteration, lr]);
}

const groupsSchema = z.object({
  bases: z.array(z.number()),
  initial: z.array(z.number()),
  lr: z.array(z.number()),
});

async function groupsIn(output: string, name: string): Promise<z.infer<typeof groupsSchema>> {
  const program = `
import json, torch
trainer = torch.load("${output}/${name}")["trainer"]
groups = trainer["_trainer"]["optimizer"]["param_groups"]
print(json.dumps({
    "bases": trainer["hooks"]["LRScheduler"]["base_lrs"],
    "initial": [group["initial_lr"] for group in groups],
    "lr": [group["lr"] for group in groups],
}))`;
  const { stdout } = await execa(DETECTRON2_PYTHON, ['-c', program]);
  return groupsSchema.parse(JSON.parse(stdout));
}

/** All of the final checkpoint, each number exactly. */
async function contentOf(output: string): Promise<string> {
  const program = `
import torch
def exact(value):
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [exact(item) for item in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value
print(exact(torch.load("${output}/model_final.pth")))`;
  const { stdout } = await execa(DETECTRON2_PYTHON, ['-c', program]);
  return stdout;
}
