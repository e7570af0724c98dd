import assert from 'node:assert/strict';
import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { packageRoot } from '../../planning/environment/package-root.ts';
import type { ScheduledRunInput, ScheduledRunResult } from '../../contracts/schedule.ts';
import { startRun } from '../../cli/runs/start.ts';
import { obtainServer } from '../../sandbox/obtain.ts';
import { controlUpdates } from '../../workflows/base/messages.ts';
import { look, resultOf, startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

/** Two stages, the second of which waits for a person: a training that continues. */
const TRAINING = `
variant: Lite
gang: { hosts: 1, gpusPerHost: 2 }
overrides:
  SOLVER: { MAX_ITER: 20, CHECKPOINT_PERIOD: 20, STEPS: [15] }
  SANDBOX: { SECONDS_PER_ITERATION: 0.005, METRICS_PERIOD: 1 }
stages:
  stage1:
  stage2:
    approval: true
    overrides:
      DATASETS: { TRAIN: [coco_2017_train, lvis_v1_train] }
      DATALOADER:
        { DATASET_RATIO: [1.0, 1.0], DATASET_BS: [2, 2], USE_RFS: [false, false], DATASET_ANN: [box, box] }
`;
const FINE_TUNE = `
task: odinw/Rabbits
variant: Lite
weights: { run: lite-1 }
gang: { hosts: 1, gpusPerHost: 1 }
limits: { coverage: 0.1 }
overrides:
  SOLVER: { MAX_ITER: 60, BASE_LR: 0.05, CHECKPOINT_PERIOD: 60, STEPS: [50] }
  SANDBOX: { SECONDS_PER_ITERATION: 0.005, METRICS_PERIOD: 1 }
`;
const sweepWith = (learningRate: number) => `
base: finetune/follows
grid: { overrides.SOLVER.BASE_LR: [${learningRate}] }
seeds: 3
metric: { name: bbox/AP50 }
concurrency: 3
`;

describe('a schedule', () => {
  let stack: TestStack;
  let configs: string;
  let bin: string;
  before(async () => {
    configs = await mkdtemp(join(tmpdir(), 'glee-configs-'));
    for (const kind of ['joint', 'finetune', 'sweeps', 'bin']) await mkdir(join(configs, kind));
    bin = join(configs, 'bin');
    await symlink(await obtainServer('temporal'), join(bin, 'temporal'));
    await writeFile(join(configs, 'joint/training.yaml'), TRAINING);
    await writeFile(join(configs, 'finetune/follows.yaml'), FINE_TUNE);
    await writeFile(join(configs, 'sweeps/follows.yaml'), sweepWith(0.05));
    stack = await startTestStack({ env: { GLEE_CONFIG_DIR: configs } });
  });
  after(async () => {
    await stack.stop();
    await rm(configs, { recursive: true });
  });

  async function glee(...args: readonly string[]) {
    const program = join(packageRoot, 'dist/cli/glee.js');
    const env = { ...stack.env, NO_COLOR: '1' };
    const { stdout, stderr } = await execa(process.execPath, [program, ...args], {
      env,
      reject: false,
      timeout: 120_000,
    });
    return stdout + stderr;
  }

  /** What the execution that is begun now has come to. */
  async function trigger(schedule: string): Promise<ScheduledRunResult> {
    const said = await glee('schedule', 'trigger', schedule);
    const [, id] = /begun as (\S+);/.exec(said) ?? [];
    assert.ok(id !== undefined, said);
    return stack.client.workflow
      .getHandle<(input: ScheduledRunInput) => Promise<ScheduledRunResult>>(id)
      .result();
  }

  const create = (name: string, config: string, ...more: readonly string[]) =>
    glee('schedule', 'create', name, config, '--cron', '0 3 * * mon', ...more);

  it('is refused before anything is made where it could never run', async () => {
    const wrong: readonly [said: Promise<string>, message: RegExp][] = [
      [
        create('x', 'sweeps/follows', '--cron', '61 * * * *'),
        /--cron '61 \* \* \* \*' has '61' for the minute/,
      ],
      [create('x', 'sweeps/follows', '--time-zone', 'Europe/Berln'), /did you mean 'Europe\/Berlin'/],
      [create('a b', 'sweeps/follows'), /a schedule's name must be 1 to 49 letters/],
      [create('x', 'sweeps/folows'), /no schedule was made: InvalidConfig: .*no config 'sweeps\/folows'/],
      [
        create('x', 'sweeps/follows'),
        /no schedule was made: InvalidConfig: .*run 'lite-1' has no final weights in S3/,
      ],
      [
        create('x', 'finetune/follows'),
        /finetune\/follows.yaml:4: weights.run: run 'lite-1' has no final weights/,
      ],
      [glee('schedule', 'trigger', 'never'), /there is no schedule 'never'/],
      [glee('schedule', 'list'), /no schedules yet/],
    ];
    for (const [said, message] of wrong) assert.match(await said, message);
  });

  it('follows a training that continues, and does nothing where there is nothing new', async () => {
    await startRun(stack.client, 'lite-1', { config: 'joint/training' });
    await until('stage1 to end', async () => {
      const stages = (await look(stack, 'lite-1'))?.state?.stages ?? [];
      return stages[0]?.status === 'done';
    });
    const made = await create('weekly', 'sweeps/follows', '--time-zone', 'Europe/Berlin', '--jitter', '5m');
    assert.match(made, /missed times are caught up for 24 h 0 min, then left out/);
    assert.match(made, /follows lite-1: it trains when there are newer final weights/);
    assert.match(made, /next {2}Mon \d{4}-\d\d-\d\d 03:0\d Europe\/Berlin/);
    assert.match(await create('weekly', 'sweeps/follows'), /there is a schedule 'weekly' already/);

    const first = await trigger('weekly');
    assert.equal(first.did, 'run');
    assert.match(first.run, /^weekly-\d{6}-\d{6}$/);
    assert.match(await glee('sweep', 'report', first.run), /3 trials: 3 finished/);
    const second = await trigger('weekly');
    assert.ok(second.did === 'nothing');
    assert.equal(second.why, `nothing new since ${first.run}, which began from lite-1/stage1@20`);
    const list = await glee('schedule', 'list');
    assert.match(list, /^weekly {2}sweeps\/follows {2}'0 3 \* \* mon'$/m);
    assert.match(list, new RegExp(`${second.run}: did nothing, nothing new since ${first.run}`));

    const approve = { by: 'ada', why: 'the curves look well' };
    await stack.client.workflow
      .getHandle('lite-1')
      .executeUpdate(controlUpdates.approve, { args: [approve] });
    await resultOf(stack, 'lite-1');
    const third = await trigger('weekly');
    assert.ok(third.did === 'run' && third.comparison?.before === first.run);
    assert.match(await glee('sweep', 'report', third.run), /Begun from lite-1\/stage2@20\./);
  });

  it('says so when a metric fell by more than its noise', async () => {
    await writeFile(join(configs, 'sweeps/follows.yaml'), sweepWith(0.000001));
    const worse = await trigger('weekly');
    assert.ok(worse.did === 'run');
    assert.deepEqual(worse.comparison?.regressions, ['odinw/Rabbits']);
    assert.match(
      await glee('schedule', 'list'),
      /fell by more than its noise against weekly-\S+: odinw\/Rabbits/,
    );
    assert.match(await glee('sweep', 'status', worse.run), /fell by more than its noise against weekly-/);
    assert.match(await glee('sweep', 'report', worse.run), /Fell by more than its noise: odinw\/Rabbits/);
    const log = await readFile(join(stack.directory, 'logs/control.log'), 'utf8');
    assert.match(
      log,
      /"level":40[^\n]*"regressions":\["odinw\/Rabbits"\][^\n]*a metric fell by more than its noise/,
    );
  });

  it('is made just so by the stock command, with the line that glee plan prints', async () => {
    const said = await glee('plan', 'finetune/follows', '--schedule', 'stock', '--every', '7d/3h');
    const [line] = /^temporal schedule create .*$/m.exec(said) ?? [];
    assert.ok(line !== undefined, said);
    const env = { ...stack.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` };
    await execa('/bin/sh', ['-c', line], { env });
    assert.match(
      await glee('schedule', 'list'),
      /^stock {2}finetune\/follows {2}every 7 d 0 h \+ 3 h 0 min$/m,
    );
    assert.equal((await trigger('stock')).did, 'run');
    assert.equal((await trigger('stock')).did, 'nothing');
  });

  it('is paused, resumed, backfilled and deleted', async () => {
    assert.match(await glee('schedule', 'pause', 'stock', '--why', 'no room'), /stock: paused: no room/);
    assert.match(await glee('schedule', 'list'), /paused: no room/);
    assert.match(await glee('schedule', 'resume', 'stock', '--why', 'room'), /stock: continues: room, next /);
    const from = ['--from', '2026-10-01', '--to', '2026-10-21'];
    assert.match(
      await glee('schedule', 'backfill', 'stock', ...from),
      /stock: 3 missed times are run one after/,
    );
    await until('them to have run', async () => {
      const { info } = await stack.client.schedule.getHandle('stock').describe();
      return info.numActionsTaken === 5 && info.runningActions.length === 0;
    });
    assert.match(await glee('schedule', 'delete', 'stock'), /stock: deleted/);
    assert.doesNotMatch(await glee('schedule', 'list'), /stock/);
  });
});
