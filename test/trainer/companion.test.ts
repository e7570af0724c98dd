import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import getPort from 'get-port';
import { classifyExit } from '../../activities/training/crashes/classify.ts';
import { readCoverage } from '../../activities/training/progress/weights-coverage.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { fixture } from '../activities/training/jobs.ts';
import { temporaryFolder } from '../fixtures/glee-checkout.ts';
import { otherWeights } from '../sandbox/other-weights.ts';
import { phaseIn } from './said.ts';
import { makeStandIn, stage1, type StandIn } from '../sandbox/stand-in.ts';

const companion = join(packageRoot, 'trainer/companion.py');
const whole = 'weights/converted_maskdino_r50_withoutclip.pth';

let root = '';
let standIn: StandIn = { checkout: '', python: '' };

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'glee-companion-'));
  standIn = await makeStandIn(root);
});
after(() => rm(root, { recursive: true, force: true }));

describe('companion.py in the place of train_net.py', { concurrency: 2 }, () => {
  it('trains to the same numbers as the script itself, and leaves what the weights matched', async (test) => {
    const [job, plain] = [await temporaryFolder(test), await temporaryFolder(test)];
    const { stdout } = await start(job, [companion, ...trainArguments(job)]);
    assert.match(stdout, /Starting training from iteration 0/);
    await start(plain, ['projects/GLEE/train_net.py', ...trainArguments(plain)]);
    const ofCompanion = ['glee_sampler'];
    assert.deepEqual(
      await contentOf(join(job, 'model_final.pth'), ofCompanion),
      await contentOf(join(plain, 'model_final.pth'), []),
    );
    assert.deepEqual(JSON.parse(await readFile(join(job, 'coverage.json'), 'utf8')), {
      matchedKeys: 8,
      totalKeys: 8,
      matchedParameters: 916,
      totalParameters: 916,
      missing: [],
      morePrefixes: 0,
    });
  });

  it('ends before the first iteration when the weights have other names, and says which are missing', async (test) => {
    const job = await temporaryFolder(test);
    const weights = await otherWeights(test, standIn, 'renamed');
    const end = await start(job, [companion, ...trainArguments(job, weights, 2)], 0.01);
    assert.equal(end.exitCode, 1);
    assert.doesNotMatch(end.stdout, /Starting training/);
    assert.match(
      end.stderr,
      /^glee: initial weights \/.*renamed\.pth match 0 % of the model's parameters \(limit 1 %\); not matched: glee\.predictor\. \(6 keys, 708 parameters\), glee\.backbone\. \(2 keys, 208 parameters\)$/m,
    );
    assert.equal(classOf(end), 'WrongWeights');
  });

  it('counts what has another shape as not matched', async (test) => {
    const job = await temporaryFolder(test);
    const weights = await otherWeights(test, standIn, 'turned');
    const end = await start(job, [companion, ...trainArguments(job, weights)], 0.5);
    assert.match(end.stderr, /match 5\.6 % of the model's parameters \(limit 50 %\); not matched: glee/);
    assert.equal(classOf(end), 'WrongWeights');
    assert.deepEqual(await readCoverage({ folder: job }), { keys: 4 / 8, parameters: 52 / 916 });
  });

  it('measures on two machines of two ranks, started by launch.py', async (test) => {
    const job = await temporaryFolder(test);
    const weights = await otherWeights(test, standIn, 'headOnly');
    const ends = await startTwoMachines(job, weights, 0.5);
    for (const { exitCode, stderr } of ends) assert.equal(exitCode, 0, stderr);
    assert.deepEqual(await readCoverage({ folder: job }), { keys: 6 / 8, parameters: 708 / 916 });
    const said = ends.map(({ stderr }) => stderr.match(/^glee: initial weights .*$/gm)?.length ?? 0);
    assert.deepEqual(said, [1, 0], 'rank 0 says it, once');
  });

  it('ends both machines when the weights match too little', async (test) => {
    const job = await temporaryFolder(test);
    const weights = await otherWeights(test, standIn, 'headOnly');
    const [first, second] = await startTwoMachines(job, weights, 0.95);
    assert.equal(classOf(first), 'WrongWeights');
    assert.equal(classOf(second), 'PeerLost');
  });

  it('does not measure a checkpoint that is resumed', async (test) => {
    const job = await temporaryFolder(test);
    const weights = await otherWeights(test, standIn, 'headOnly');
    await start(job, [companion, ...trainArguments(job, weights)], 0.5);
    await rm(join(job, 'coverage.json'));
    const more = ['--resume', ...trainArguments(job, weights, 1, 10)];
    const { exitCode, stdout } = await start(job, [companion, ...more], 0.95);
    assert.equal(exitCode, 0);
    assert.match(stdout, /Starting training from iteration 5/);
    assert.equal(await readCoverage({ folder: job }), undefined);
  });

  it('says where a script fails in its own words and lines', async (test) => {
    const job = await temporaryFolder(test);
    const { stderr, exitCode } = await start(job, [companion, '--config-file', 'nowhere.yaml']);
    assert.equal(exitCode, 1);
    assert.match(stderr, /File ".*\/projects\/GLEE\/train_net\.py", line \d+, in main/);
    assert.match(stderr, /^AssertionError: Config file 'nowhere\.yaml' does not exist!$/m);
  });

  it('counts the iterations that were done when the trainer crashes', async (test) => {
    const job = await temporaryFolder(test);
    const more = ['SOLVER.BASE_LR', '1e100', 'SOLVER.WARMUP_ITERS', '100'];
    const args = [companion, ...trainArguments(job, whole, 1, 40), ...more];
    const { exitCode, stderr } = await start(job, args, undefined, standIn, { GLEE_JOB_FOLDER: job });
    assert.equal(exitCode, 1);
    const [, failed] = /infinite or NaN at iteration=(\d+)/.exec(stderr) ?? [];
    assert.ok(Number(failed) > 1, stderr);
    assert.equal((await phaseIn(job))?.iterations, Number(failed));
  });

  it('keeps the files of each test set of an evaluation, which write over one another', async (test) => {
    const evaluate = async (sets: string) => {
      const job = await temporaryFolder(test);
      const args = [companion, ...trainArguments(job, whole), '--eval-only'];
      const at = args.indexOf('OUTPUT_DIR');
      args.splice(at, 0, ...args.splice(args.indexOf('--eval-only'), 1));
      const { exitCode, stderr } = await start(job, [...args.slice(0, -1), sets]);
      assert.equal(exitCode, 0, stderr);
      const files = await readdir(join(job, 'inference'), { recursive: true });
      return files.filter((file) => file.endsWith('.json')).sort();
    };
    assert.deepEqual(await evaluate('("odinw13_Rabbits",)'), ['coco_instances_results.json']);
    assert.deepEqual(await evaluate('("odinw13_Rabbits","odinw13_Raccoon","ytvis_2019_val")'), [
      'odinw13_Rabbits/coco_instances_results.json',
      'odinw13_Raccoon/coco_instances_results.json',
      'ytvis_2019_val/results.json',
    ]);
  });

  it('hooks ranks that are spawned, which import the main module again', async (test) => {
    const own = { ...standIn, checkout: join(await temporaryFolder(test), 'glee') };
    await cp(standIn.checkout, own.checkout, { recursive: true });
    const script = join(own.checkout, 'projects/GLEE/train_net.py');
    await cp(fixture('spawns.py'), script);
    const [good, bad] = [await temporaryFolder(test), await temporaryFolder(test)];
    const end = await start(good, [companion, join(own.checkout, whole)], 1, own);
    assert.equal(end.exitCode, 0, end.stderr);
    const trains = `trains with ['${join(own.checkout, whole)}'] as __mp_main__ of ${script}`;
    for (const rank of ['0', '1']) assert.ok(end.stdout.includes(`rank ${rank} ${trains}`), end.stdout);
    assert.deepEqual(await readCoverage({ folder: good }), { keys: 1, parameters: 1 });
    const refused = await start(bad, [companion, await otherWeights(test, standIn, 'renamed')], 1, own);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /^glee: initial weights .* match 0 % .* \(limit 100 %\)/m);
  });
});

/** A short training with the job's folder as its output. */
function trainArguments(job: string, weights = whole, ranks = 1, maxIterations = 5): string[] {
  return [
    ...['--config-file', `projects/GLEE/configs/images/${stage1}.yaml`],
    ...['--num-gpus', String(ranks), '--dist-url', 'auto'],
    ...settings(job, weights, maxIterations),
  ];
}

function settings(job: string, weights: string, maxIterations = 5): string[] {
  const test = ['DATASETS.TEST', '[]'];
  return ['OUTPUT_DIR', job, 'MODEL.WEIGHTS', weights, 'SOLVER.MAX_ITER', String(maxIterations), ...test];
}

function start(
  job: string,
  args: readonly string[],
  limit?: number,
  { checkout, python } = standIn,
  more: Readonly<Record<string, string>> = {},
) {
  const env = {
    ...more,
    GLEE_COVERAGE_FILE: join(job, 'coverage.json'),
    ...(limit !== undefined && { GLEE_COVERAGE_LIMIT: String(limit) }),
  };
  return execa(python, args, { cwd: checkout, env, reject: false });
}

async function startTwoMachines(job: string, weights: string, limit: number) {
  const port = String(await getPort());
  const gang = ['--np', '2', '--nn', '2', '--port', port, '--master_address', '127.0.0.1'];
  const config = ['--config-file', `projects/GLEE/configs/images/${stage1}.yaml`];
  const machine = (rank: string) => {
    const args = ['launch.py', '--launch', companion, ...gang, '--worker_rank', rank, ...config];
    return start(job, [...args, ...settings(job, weights)], limit);
  };
  return Promise.all([machine('0'), machine('1')]);
}

/** What a checkpoint has, tensors as their values, after it was seen to have these keys, which are left out. */
async function contentOf(file: string, without: readonly string[]): Promise<unknown> {
  const program = `
import json, sys
from sandbox_trainer.torch_file import load
content = load(sys.argv[1])
for key in sys.argv[2:]:
    del content[key]
print(json.dumps(content, default=lambda tensor: tensor.values()))`;
  const args = ['-c', program, file, ...without];
  const { stdout } = await execa(standIn.python, args, { cwd: standIn.checkout });
  return JSON.parse(stdout);
}

function classOf({ exitCode, stdout, stderr }: Awaited<ReturnType<typeof start>>) {
  assert.notEqual(exitCode, 0);
  return classifyExit({ code: exitCode ?? null, signal: null, at: 0 }, `${stdout}\n${stderr}`).type;
}
