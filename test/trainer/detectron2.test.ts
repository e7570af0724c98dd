import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import getPort from 'get-port';
import { classifyExit } from '../../activities/training/crashes/classify.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { fixture } from '../activities/training/jobs.ts';
import { temporaryFolder } from '../fixtures/glee-checkout.ts';
import { until } from '../support/until.ts';
import { DETECTRON2_PYTHON, withoutDetectron2 } from './detectron2-python.ts';
import { answerIn, ask, phaseIn, savesIn, startsIn } from './said.ts';

const companion = join(packageRoot, 'trainer/companion.py');
const MAX_ITERATIONS = 60;

interface Options {
  readonly ranks?: number;
  readonly token?: string;
  readonly resume?: boolean;
  readonly machine?: readonly string[];
  readonly set?: Readonly<Record<string, string | number>>;
  readonly env?: Readonly<Record<string, string>>;
}

describe("companion.py with detectron2's own engine", { skip: withoutDetectron2, concurrency: 2 }, () => {
  let checkout = '';
  before(async () => {
    checkout = await mkdtemp(join(tmpdir(), 'glee-detectron2-'));
    await mkdir(join(checkout, 'projects/GLEE'), { recursive: true });
    await cp(fixture('detectron2-train_net.py'), join(checkout, 'projects/GLEE/train_net.py'));
    await cp(fixture('detectron2-loaders.py'), join(checkout, 'projects/GLEE/loaders.py'));
    await cp(fixture('glee-loader.py'), join(checkout, 'projects/GLEE/glee_loader.py'));
  });
  after(() => rm(checkout, { recursive: true, force: true }));

  /** A training with the job's folder for what is said, and `out` in it. */
  function start(job: string, options: Options = {}) {
    const { ranks = 1, token = '1', resume = false, machine = ['--dist-url', 'auto'], set = {} } = options;
    const overrides = { 'MODEL.WEIGHTS': "''", 'SOLVER.IMS_PER_BATCH': 2, 'SOLVER.CHECKPOINT_PERIOD': 25 };
    const all = { OUTPUT_DIR: join(job, 'out'), 'SOLVER.MAX_ITER': MAX_ITERATIONS, ...overrides, ...set };
    const args = ['--num-gpus', String(ranks), ...machine, ...(resume ? ['--resume'] : [])];
    return execa(DETECTRON2_PYTHON, [companion, ...args, ...Object.entries(all).flat().map(String)], {
      cwd: checkout,
      env: { GLEE_JOB_FOLDER: job, GLEE_ATTEMPT_TOKEN: token, OMP_NUM_THREADS: '1', ...options.env },
      reject: false,
      all: true,
    });
  }

  async function whole(job: string, options: Options = {}) {
    const end = await start(job, options);
    assert.equal(end.exitCode, 0, end.all);
    return end;
  }

  it('saves when asked, stops all ranks at once when asked, and continues with the next iteration', async (t) => {
    const job = await temporaryFolder(t);
    const first = start(job, { ranks: 2 });
    await until('the training', async () => (await phaseIn(job))?.phase === 'training', 120_000);
    const saved = await ask(job, { stop: false });
    const stopped = await ask(job, { stop: true });
    const { exitCode, all } = await first;
    assert.equal(exitCode, 0, all);
    assert.doesNotMatch(all, /Traceback|glee: /);
    assert.ok(saved.iterations < stopped.iterations && stopped.iterations < MAX_ITERATIONS);
    assert.equal(await readFile(join(job, 'out/last_checkpoint'), 'utf8'), stopped.checkpoint);
    const names = (await savesIn(job)).map(({ name }) => name);
    assert.ok(names.includes(saved.checkpoint) && names.at(-1) === stopped.checkpoint, names.join());

    await whole(job, { ranks: 2, resume: true, token: '2' });
    const images: number[] = [];
    for (const rank of ['0', '1']) {
      const seen = await seenIn(job, rank);
      const iterations = seen.map(([iteration]) => iteration);
      assert.deepEqual(iterations, [...Array(MAX_ITERATIONS).keys()], 'each iteration was done, and once');
      images.push(...seen.flatMap(([, ...batch]) => batch));
    }
    assert.equal(new Set(images).size, 2 * MAX_ITERATIONS, 'and no image came twice');
    const starts = await startsIn(job);
    assert.deepEqual(
      starts.map(({ iterations }) => iterations),
      [0, stopped.iterations],
    );
    const drawn = starts.flatMap(({ samplerSeeds }) => samplerSeeds);
    assert.deepEqual(
      drawn.map(({ from }) => from),
      ["the attempt's token", 'the checkpoint'],
    );
    assert.equal(new Set(drawn.map(({ seed }) => seed)).size, 1);
  });

  it('stops all ranks after just the iteration that it was given, saved once, and continues to the end', async (t) => {
    const job = await temporaryFolder(t);
    // The period saves there as well.
    const set = { 'SOLVER.CHECKPOINT_PERIOD': 10, 'SOLVER.STEPS': '(50,)' };
    const segments = [20, 33, MAX_ITERATIONS];
    for (const [segment, stopAfter] of segments.entries()) {
      const env = { GLEE_STOP_AFTER: String(stopAfter), FIXTURE_SECONDS: '0' };
      const { all } = await whole(job, {
        ranks: 2,
        resume: segment > 0,
        token: String(segment + 1),
        set,
        env,
      });
      assert.doesNotMatch(all, /Traceback|glee: /);
      if (stopAfter === MAX_ITERATIONS) break;
      const { iterations, checkpoint } = (await answerIn(job)) ?? {};
      assert.deepEqual([iterations, checkpoint], [stopAfter, `model_00000${stopAfter - 1}.pth`]);
      assert.equal(await readFile(join(job, 'out/last_checkpoint'), 'utf8'), checkpoint);
    }
    const images: number[] = [];
    for (const rank of ['0', '1']) {
      const seen = await seenIn(job, rank);
      const iterations = seen.map(([iteration]) => iteration);
      assert.deepEqual(iterations, [...Array(MAX_ITERATIONS).keys()], 'each iteration was done, and once');
      images.push(...seen.flatMap(([, ...batch]) => batch));
    }
    assert.equal(new Set(images).size, 2 * MAX_ITERATIONS, 'and no image came twice');
    assert.deepEqual(
      (await startsIn(job)).map(({ iterations }) => iterations),
      [0, 20, 33],
    );
    const names = [9, 19, 29, 32, 39, 49, 59].map(
      (iteration) => `model_${String(iteration).padStart(7, '0')}.pth`,
    );
    assert.deepEqual(
      (await savesIn(job)).map(({ name }) => name),
      [...names, 'model_final.pth'],
    );
  });

  it("respects the config's SEED, and says in the record that each start draws the same", async (t) => {
    const job = await temporaryFolder(t);
    for (const token of ['1', '2']) {
      await whole(job, { token, set: { SEED: 7, 'SOLVER.MAX_ITER': 2 }, env: { FIXTURE_SECONDS: '0' } });
    }
    const seeds = (await startsIn(job)).map(({ samplerSeeds }) => samplerSeeds[0]);
    assert.equal(seeds[0]?.from, "the config's SEED");
    assert.deepEqual(seeds[0], seeds[1]);
  });

  it('leaves the checkpoint before whole when it is killed in the middle of a save', async (t) => {
    const job = await temporaryFolder(t);
    const set = { 'SOLVER.CHECKPOINT_PERIOD': 3 };
    const env = { FIXTURE_PARAMETERS: '40000000', FIXTURE_SECONDS: '0' };
    const training = start(job, { set, env });
    const torn = join(job, 'out/model_0000005.pth.saving.tmp');
    while (!existsSync(torn)) await new Promise(setImmediate);
    training.kill('SIGKILL');
    await training;
    assert.equal(existsSync(join(job, 'out/model_0000005.pth')), false);
    assert.equal(await readFile(join(job, 'out/last_checkpoint'), 'utf8'), 'model_0000002.pth');
    await python(`import torch; assert torch.load("${job}/out/model_0000002.pth")["iteration"] == 2`);
    const lost = (await seenIn(job)).filter(([iteration = 0]) => iteration > 2);
    await whole(job, { resume: true, token: '2', set: { 'SOLVER.MAX_ITER': 6 }, env });
    const seen = await seenIn(job);
    assert.deepEqual(
      seen.slice(3 + lost.length).slice(0, lost.length),
      lost,
      'what was lost sees its images again',
    );
    assert.equal(new Set(seen.map(([, image]) => image)).size, 6, 'and nothing else does');
  });

  it("sees on each rank what an undisturbed training sees, with GLEE's loader and its workers", async (t) => {
    const [plain, job] = [await temporaryFolder(t), await temporaryFolder(t)];
    const set = { SEED: 7, 'SOLVER.MAX_ITER': 30, 'SOLVER.IMS_PER_BATCH': 4, 'DATALOADER.NUM_WORKERS': 2 };
    const env = { FIXTURE_LOADER: 'glee', FIXTURE_SECONDS: '0' };
    await whole(plain, { ranks: 2, set, env });
    for (const [segment, stopAfter] of ['11', '30'].entries()) {
      const { all } = await whole(job, {
        ranks: 2,
        resume: segment > 0,
        set,
        env: { ...env, GLEE_STOP_AFTER: stopAfter },
      });
      assert.doesNotMatch(all, /Traceback|glee: /);
    }
    for (const rank of ['0', '1']) assert.deepEqual(await seenIn(job, rank), await seenIn(plain, rank));
  });

  it('ends with a word of its own where a machine lacks the checkpoint that the others resume', async (t) => {
    const [job, other] = [await temporaryFolder(t), await temporaryFolder(t)];
    await whole(job, { set: { 'SOLVER.MAX_ITER': 4 }, env: { FIXTURE_SECONDS: '0' } });
    const url = ['--num-machines', '2', '--dist-url', `tcp://127.0.0.1:${await getPort()}`];
    const ends = await Promise.all(
      [job, other].map((folder, rank) =>
        start(folder, { resume: true, machine: [...url, '--machine-rank', String(rank)] }),
      ),
    );
    for (const { exitCode, all } of ends) {
      assert.equal(exitCode, 1);
      const { type, line } = classifyExit({ code: 1, signal: null, at: 0 }, all);
      assert.equal(type, 'MissingFile');
      assert.match(
        line,
        /^glee: not all ranks can read checkpoint model_final\.pth of rank 0: rank 1 cannot/,
      );
    }
  });

  it('saves the same tensors in the background as in the foreground', async (t) => {
    const [front, back] = [await temporaryFolder(t), await temporaryFolder(t)];
    const set = { SEED: 7, 'SOLVER.MAX_ITER': 12, 'SOLVER.CHECKPOINT_PERIOD': 5 };
    await whole(front, { set });
    await whole(back, { set, env: { GLEE_BACKGROUND_SAVE: '1' } });
    await python(`
import os, torch
def same(one, two):
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    return torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two
for name in ["model_0000004.pth", "model_0000009.pth", "model_final.pth"]:
    paths = [os.path.join(folder, "out", name) for folder in ("${front}", "${back}")]
    assert same(*map(torch.load, paths)), name
    assert os.path.getsize(paths[0]) >= os.path.getsize(paths[1]), "a tied parameter is written once"`);
    assert.deepEqual(
      (await savesIn(back)).map(({ name }) => name),
      (await savesIn(front)).map(({ name }) => name),
    );
  });

  it('ends with the error of a save in the background that failed', async (t) => {
    const job = await temporaryFolder(t);
    await mkdir(join(job, 'out/model_0000004.pth.saving.tmp'), { recursive: true });
    await writeFile(join(job, 'out/model_0000004.pth.saving.tmp/in-the-way'), '');
    const set = { 'SOLVER.CHECKPOINT_PERIOD': 5 };
    const { exitCode, all } = await start(job, { set, env: { GLEE_BACKGROUND_SAVE: '1' } });
    assert.equal(exitCode, 1);
    assert.match(all, /IsADirectoryError: .*model_0000004\.pth\.saving\.tmp/);
    assert.equal(existsSync(join(job, 'out/last_checkpoint')), false);
  });
});

/** What each iteration of a rank saw, in the order in which it was trained: [iteration, image, ...]. */
async function seenIn(job: string, rank = '0'): Promise<number[][]> {
  const text = await readFile(join(job, `out/images.rank${rank}`), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
}

async function python(program: string): Promise<void> {
  await execa(DETECTRON2_PYTHON, ['-c', program]);
}
