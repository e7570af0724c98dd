import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { classifyExit, type Classified } from '../../../activities/training/crashes/classify.ts';
import { launchTwoMachines, makeStandIn, train, trainersIn, type StandIn } from '../../sandbox/stand-in.ts';
import { until } from '../../support/until.ts';

/** What the sandbox's trainer really prints and exits with, and what it is called. */
describe("classifyExit on the sandbox's own trainer", () => {
  let root = '';
  let standIn: StandIn = { checkout: '', python: '' };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'glee-classify-'));
    standIn = await makeStandIn(root);
  });
  after(() => rm(root, { recursive: true, force: true }));

  const output = (name: string) => join(root, name);
  const short = { 'SOLVER.MAX_ITER': 40 };

  it('names a config that is not there', async () => {
    const end = await endOf(train(standIn, { output: output('config'), config: 'nowhere.yaml' }));
    assert.equal(end.type, 'MissingFile');
    assert.match(end.line, /^AssertionError: Config file 'nowhere\.yaml' does not exist!$/);
  });

  it('names a setting that does not exist', async () => {
    const set = { 'SOLVER.MAX_ITERATIONS': 40 };
    const end = await endOf(train(standIn, { output: output('key'), set }));
    assert.equal(end.type, 'TrainerConfig');
    assert.match(end.line, /^AssertionError: Non-existent key: SOLVER\.MAX_ITERATIONS$/);
  });

  it('names a data set that no one registered', async () => {
    const set = { ...short, 'DATASETS.TRAIN': '("sa1b_32_train","coco_2017_train")' };
    const end = await endOf(train(standIn, { output: output('dataset'), ranks: 2, set }));
    assert.equal(end.type, 'TrainerConfig');
    assert.match(end.line, /^KeyError: .*sa1b_32_train/);
  });

  it('names weights that are not there, on one rank and on two', async () => {
    const set = { ...short, 'MODEL.WEIGHTS': 'weights/nowhere.pth' };
    const one = await endOf(train(standIn, { output: output('weights-1'), set }));
    const two = await endOf(train(standIn, { output: output('weights-2'), ranks: 2, set }));
    assert.deepEqual([one.type, two.type], ['MissingFile', 'MissingFile']);
    for (const { line } of [one, two]) assert.match(line, /weights\/nowhere\.pth/);
  });

  it('names a module that is not installed', async () => {
    const checkout = join(root, 'incomplete');
    await cp(standIn.checkout, checkout, { recursive: true });
    await rm(join(checkout, 'sandbox_trainer/yaml_writer.py'));
    const end = await endOf(train({ ...standIn, checkout }, { output: output('import'), set: short }));
    assert.equal(end.type, 'ImportError');
    assert.match(end.line, /^ModuleNotFoundError: No module named 'sandbox_trainer\.yaml_writer'/);
  });

  it('names a loss that became infinite', async () => {
    const set = { ...short, 'SOLVER.BASE_LR': '1e300', 'SOLVER.WARMUP_ITERS': 0 };
    const end = await endOf(train(standIn, { output: output('nan'), set }));
    assert.equal(end.type, 'NonFiniteLoss');
    assert.match(end.line, /^FloatingPointError: Loss became infinite or NaN at iteration=\d+!/);
  });

  it('names ranks that could not meet', async () => {
    const more = ['--num-machines', '2', '--machine-rank', '0'];
    const url = 'tcp://127.0.0.1:29741';
    const end = await endOf(
      train(standIn, { output: output('alone'), url, more, rendezvousSeconds: 0.5, set: short }),
    );
    assert.equal(end.type, 'RendezvousFailed');
  });

  it('tells the machine whose trainer was killed from the one that lost it', async () => {
    const slow = { 'SANDBOX.SECONDS_PER_ITERATION': 0.01, 'SANDBOX.METRICS_PERIOD': 1 };
    const set = { 'SOLVER.MAX_ITER': 100_000, ...slow };
    const { machine0, machine1 } = await launchTwoMachines(standIn, { output: output('killed'), set });
    await until('an iteration to be done', () => existsSync(join(output('killed'), 'metrics.json')));
    const [victim] = await trainersIn(output('killed'), '--machine-rank=1');
    assert.ok(victim !== undefined);
    process.kill(victim, 'SIGKILL');
    const [survivor, killed] = await Promise.all([endOf(machine0), endOf(machine1)]);
    assert.equal(survivor.type, 'PeerLost');
    assert.equal(killed.type, 'TrainerKilled', killed.message);
  });
});

async function endOf(training: ReturnType<typeof train>): Promise<Classified> {
  const { exitCode, signal, stdout, stderr } = await training;
  assert.notEqual(exitCode, 0);
  if (signal !== undefined) assert.ok(signal in constants.signals);
  const exit = { code: exitCode ?? null, signal: signal ?? null, at: Date.now() };
  return classifyExit(exit, `${stdout}\n${stderr}`);
}
