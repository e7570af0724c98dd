import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import getPort from 'get-port';
import { readRanks } from '../../activities/training/progress/rank-records.ts';
import { classifyExit } from '../../activities/training/crashes/classify.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { temporaryFolder } from '../fixtures/glee-checkout.ts';
import { makeStandIn, sha256, stage1, type StandIn } from '../sandbox/stand-in.ts';
import { until } from '../support/until.ts';
import { answerIn, ask, phaseIn, savesIn } from './said.ts';

const companion = join(packageRoot, 'trainer/companion.py');
const MAX_ITERATIONS = 120;

let root = '';
let standIn: StandIn = { checkout: '', python: '' };

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'glee-companion-saves-'));
  standIn = await makeStandIn(root);
});
after(() => rm(root, { recursive: true, force: true }));

describe('companion.py in the stand-in', { concurrency: 2 }, () => {
  it('saves without stopping when asked, and the training ends with the same bytes', async (t) => {
    const [job, plain] = [await temporaryFolder(t), await temporaryFolder(t)];
    const training = start(job, ['--num-gpus', '2', '--dist-url', 'auto']);
    await until('the training', async () => (await phaseIn(job))?.phase === 'training');
    const { checkpoint, stop } = await ask(job, { stop: false });
    const { exitCode, all } = await training;
    assert.equal(exitCode, 0, all);
    assert.equal(stop, false);
    assert.deepEqual(
      (await savesIn(job)).map(({ name }) => name),
      [checkpoint, 'model_final.pth'],
    );
    await start(plain, ['--num-gpus', '2', '--dist-url', 'auto'], { env: { GLEE_BACKGROUND_SAVE: '1' } });
    const [one, two] = [job, plain].map((folder) => sha256(join(folder, 'out/model_final.pth')));
    assert.equal(await one, await two, 'saved in the background, with another save or without');
  });

  it('says which phase it is in, on each machine, and how far it is', async (t) => {
    const [job, other] = [await temporaryFolder(t), await temporaryFolder(t)];
    const gang = ['--num-gpus', '1', '--num-machines', '2'];
    const place = [...gang, '--dist-url', `tcp://127.0.0.1:${await getPort()}`, '--machine-rank'];
    const first = start(job, [...place, '0']);
    await until('it to wait for its peer', async () => (await phaseIn(job))?.phase === 'rendezvous');
    const second = start(other, [...place, '1']);
    for (const folder of [job, other]) {
      await until('progress', async () => ((await phaseIn(folder))?.iterations ?? 0) > 5);
    }
    const stopped = await ask(job, { stop: true });
    for (const { exitCode, all } of await Promise.all([first, second])) assert.equal(exitCode, 0, all);
    assert.equal((await phaseIn(other))?.iterations, stopped.iterations, 'both after the same iteration');
    const longest = Object.keys((await phaseIn(job))?.longest ?? {});
    assert.deepEqual(longest.sort(), ['data', 'first iteration', 'rendezvous', 'saving', 'start']);
  });

  it('stops all ranks of all machines after just the iteration that it was given, and ends with the same bytes', async (t) => {
    const [job, other, plain] = await Promise.all([1, 2, 3].map(() => temporaryFolder(t)));
    assert.ok(job !== undefined && other !== undefined && plain !== undefined);
    const gang = async (env: Readonly<Record<string, string>>, more: readonly string[] = []) => {
      const url = ['--dist-url', `tcp://127.0.0.1:${await getPort()}`, ...more];
      const args = ['--num-gpus', '1', '--num-machines', '2', ...url, '--machine-rank'];
      const ends = [start(job, [...args, '0'], { env }), start(other, [...args, '1'], { env })];
      for (const { exitCode, all } of await Promise.all(ends)) assert.equal(exitCode, 0, all);
    };
    await gang({ GLEE_STOP_AFTER: '40' });
    for (const folder of [job, other]) assert.equal((await phaseIn(folder))?.iterations, 40);
    assert.equal(await readFile(join(job, 'out/last_checkpoint'), 'utf8'), 'model_0000039.pth');
    const { stop, iterations } = (await answerIn(job)) ?? {};
    assert.deepEqual([stop, iterations], [true, 40]);
    await cp(join(job, 'out'), join(other, 'out'), { recursive: true });
    await gang({ GLEE_STOP_AFTER: String(MAX_ITERATIONS + 1) }, ['--resume']);
    await start(plain, ['--num-gpus', '2', '--dist-url', 'auto']);
    const [one, two] = [job, plain].map((folder) => sha256(join(folder, 'out/model_final.pth')));
    assert.equal(await one, await two);
    assert.deepEqual(
      (await savesIn(job)).map(({ name }) => name),
      ['model_0000039.pth', 'model_final.pth'],
    );
  });

  it('tells the own time of each rank, and which one it is that the others wait for', async (t) => {
    const job = await temporaryFolder(t);
    const training = start(job, ['--num-gpus', '2', '--dist-url', 'auto'], {
      env: { SANDBOX_SLOW_RANK: '1:0.03' },
    });
    const ranks = await until('the own times', async () => {
      const said = await readRanks({ folder: job });
      return said.length === 2 && said.every(({ ownSeconds }) => (ownSeconds ?? 0) > 0) && said;
    });
    const [fast, slow] = ranks.map(({ ownSeconds }) => ownSeconds ?? 0);
    assert.ok(fast !== undefined && slow !== undefined && slow >= 0.03 && fast < slow, JSON.stringify(ranks));
    const process0 = String(training.pid);
    const children = await readFile(`/proc/${process0}/task/${process0}/children`, 'utf8');
    const pid = Number(children.trim().split(' ')[1]);
    process.kill(pid, 'SIGSTOP');
    await until('the first rank to wait', async () => (await readRanks({ folder: job }))[0]?.waits);
    process.kill(pid, 'SIGCONT');
    assert.equal((await training).exitCode, 0);
  });

  it('leaves no file under its name that is not whole', async (t) => {
    const job = await temporaryFolder(t);
    const more = ['SOLVER.CHECKPOINT_PERIOD', '5', 'SANDBOX.CHECKPOINT_PAD_BYTES', '300000000'];
    const training = start(job, ['--num-gpus', '1'], { more });
    while (!existsSync(join(job, 'out/model_0000009.pth.saving.tmp'))) await new Promise(setImmediate);
    training.kill('SIGKILL');
    await training;
    assert.equal(existsSync(join(job, 'out/model_0000009.pth')), false);
    assert.equal(await readFile(join(job, 'out/last_checkpoint'), 'utf8'), 'model_0000004.pth');
    const { all } = await start(job, ['--num-gpus', '1', '--resume'], { more: ['SOLVER.MAX_ITER', '6'] });
    assert.match(all, /Starting training from iteration 5/);
  });

  it('refuses to train where a machine lacks the checkpoint', async (t) => {
    const [job, other] = [await temporaryFolder(t), await temporaryFolder(t)];
    await start(job, ['--num-gpus', '1'], { more: ['SOLVER.MAX_ITER', '4'] });
    const url = ['--dist-url', `tcp://127.0.0.1:${await getPort()}`];
    const gang = ['--num-gpus', '1', '--num-machines', '2', '--resume', ...url, '--machine-rank'];
    const ends = await Promise.all([start(job, [...gang, '0']), start(other, [...gang, '1'])]);
    for (const { exitCode, all } of ends) {
      assert.equal(exitCode, 1);
      const { type, line } = classifyExit({ code: 1, signal: null, at: 0 }, all);
      assert.equal(type, 'MissingFile', all);
      assert.match(
        line,
        /^glee: not all ranks can read checkpoint model_final\.pth of rank 0: rank 1 cannot/,
      );
    }
  });

  it('trains on, with one line of it, in a fork that it cannot hook into', async (t) => {
    const [job, checkout] = [await temporaryFolder(t), join(await temporaryFolder(t), 'glee')];
    await cp(standIn.checkout, checkout, { recursive: true });
    for (const name of ['detectron2/engine/hooks.py', 'sandbox_trainer/trainer.py']) {
      const text = await readFile(join(checkout, name), 'utf8');
      await writeFile(join(checkout, name), text.replaceAll('EvalHook', 'OtherHook'));
    }
    const more = ['SOLVER.MAX_ITER', '4'];
    const { exitCode, all } = await start(job, ['--num-gpus', '2', '--dist-url', 'auto'], { more, checkout });
    assert.equal(exitCode, 0, all);
    assert.deepEqual(all.match(/^glee: .*$/gm), [
      "glee: the companion does without trainer_phases in detectron2.engine.hooks: AttributeError: module 'detectron2.engine.hooks' has no attribute 'EvalHook'",
    ]);
  });
});

interface Options {
  readonly more?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly checkout?: string;
}

/** A training with the job's folder for what is said, and `out` in it. */
function start(job: string, args: readonly string[], { more = [], env = {}, checkout }: Options = {}) {
  const settings = {
    OUTPUT_DIR: join(job, 'out'),
    'MODEL.WEIGHTS': 'weights/converted_maskdino_r50_withoutclip.pth',
    'SOLVER.MAX_ITER': MAX_ITERATIONS,
    'SOLVER.CHECKPOINT_PERIOD': 1000,
    'SANDBOX.SECONDS_PER_ITERATION': 0.02,
    'DATASETS.TEST': '[]',
  };
  const config = ['--config-file', `projects/GLEE/configs/images/${stage1}.yaml`];
  const set = [...Object.entries(settings).flat().map(String), ...more];
  return execa(standIn.python, [companion, ...config, ...args, ...set], {
    cwd: checkout ?? standIn.checkout,
    env: { GLEE_JOB_FOLDER: job, GLEE_ATTEMPT_TOKEN: '1', ...env },
    reject: false,
    all: true,
  });
}
