import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { execa } from 'execa';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { rootCause } from '../../cli/shared/observe-run.ts';
import { CONTROL_TASK_QUEUE, stageWorkflowId } from '../../contracts/ids.ts';
import type { SweepInput } from '../../contracts/sweep.ts';
import type { SweepResult } from '../../contracts/sweep-results.ts';
import { stageStateQuery, stopTrialUpdate, sweepStateQuery } from '../../workflows/base/messages.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

type Sweep = (input: SweepInput) => Promise<SweepResult>;

describe('a sweep', () => {
  let stack: TestStack;
  before(async () => (stack = await startTestStack()));
  after(() => stack.stop());

  const start = (sweep: string, config: string) =>
    stack.client.workflow.start<Sweep>('fineTuneSweep', {
      workflowId: sweep,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ config }],
    });

  async function glee(...args: readonly string[]) {
    const env = { ...stack.env, NO_COLOR: '1' };
    const program = join(packageRoot, 'dist/cli/glee.js');
    const options = { env, reject: false, timeout: 60_000 } as const;
    const { stdout, stderr } = await execa(process.execPath, [program, ...args], options);
    return stdout + stderr;
  }

  it('stops early what is worse, keeps the winners, and finds the same though everything is killed on the way', async () => {
    const undisturbed = await (await start('calm', 'sweeps/small')).result();
    assert.deepEqual(
      undisturbed.leaderboard.map(({ group, finished, iterations }) => [group, finished, iterations]),
      [
        ['odinw/Rabbits', true, 90],
        ['odinw/Raccoon', true, 90],
      ],
    );
    assert.deepEqual(
      [undisturbed.counts.finished, undisturbed.counts.stopped, undisturbed.counts.failed],
      [2, 6, 0],
    );

    const { leaderboard, counts } = await killedTwice('killed', 'sweeps/small', [1, 5]);
    assert.deepEqual(counts, undisturbed.counts);
    assert.equal(JSON.stringify(leaderboard), JSON.stringify(undisturbed.leaderboard));
  });

  it('saves half of the iterations by early stopping, and finds the winner of the whole grid', async (t) => {
    const whole = await (await start('whole', 'sweeps/whole')).result();
    const early = await start('halved', 'sweeps/halved');
    const { leaderboard } = await early.result();
    const { trials } = await early.query(sweepStateQuery);
    const trained = trials.reduce((sum, { reports }) => sum + (reports.at(-1)?.iterations ?? 0), 0);
    t.diagnostic(`${trained} iterations of ${trials.length * 400}`);
    assert.ok(trained <= (trials.length * 400) / 2, `${trained} iterations were trained`);
    assert.equal(JSON.stringify(leaderboard), JSON.stringify(whole.leaderboard));
  });

  it(
    'finds the same for the 13 sets of ODinW, two learning rates and two seeds, though everything is killed twice',
    { skip: process.env.GLEE_FULL_SWEEP === '1' ? false : 'takes minutes: GLEE_FULL_SWEEP=1 has it run' },
    async (t) => {
      const began = Date.now();
      const undisturbed = await (await start('odinw13', 'sweeps/odinw13')).result();
      t.diagnostic(`undisturbed after ${String((Date.now() - began) / 1000)} s`);
      const { leaderboard, counts } = await killedTwice('odinw13-killed', 'sweeps/odinw13', [10, 30]);
      t.diagnostic(`killed twice after ${String((Date.now() - began) / 1000)} s`);
      assert.deepEqual([counts.finished, leaderboard.length], [52, 13]);
      assert.equal(JSON.stringify(leaderboard), JSON.stringify(undisturbed.leaderboard));
    },
  );

  /** Both servers and all workers, each time that so many trials rest or have ended. */
  async function killedTwice(
    sweep: string,
    config: string,
    when: readonly [number, number],
  ): Promise<SweepResult> {
    const handle = await start(sweep, config);
    const progress = async () =>
      (await handle.query(sweepStateQuery)).trials.filter(
        ({ status }) => status !== 'waiting' && status !== 'running',
      ).length;
    for (const ended of when) {
      const what = `${ended} trials to rest or end`;
      await until(what, async () => (await progress().catch(() => 0)) >= ended, 300_000);
      const { control, hosts, temporal, s3 } = stack;
      const all = [control, ...hosts.map(({ worker }) => worker), temporal.process, s3.process];
      for (const one of all) one.kill('SIGKILL');
    }
    return until(
      `${sweep} to end`,
      () =>
        handle.result().catch((error: unknown) => {
          if (error instanceof WorkflowFailedError) throw error;
          return undefined;
        }),
      600_000,
    );
  }

  it('does not train again what it has trained, and can be told to stop a trial', async () => {
    const again = await start('calm', 'sweeps/small');
    const { leaderboard } = await again.result();
    assert.equal(leaderboard.length, 2);
    const handle = await start('stopped', 'sweeps/small');
    const [first] = await until('trials to run', async () => {
      const { trials } = await handle.query(sweepStateQuery);
      const running = trials.filter(({ status }) => status === 'running');
      return running.length > 0 ? running : undefined;
    });
    const order = { trial: first?.id ?? '', by: 'ada', why: 'no use' };
    const stage = stack.client.workflow.getHandle(stageWorkflowId(`stopped.${order.trial}`, 'finetune'));
    await until('it to hold its hosts', async () => {
      const state = await stage.query(stageStateQuery).catch(() => undefined);
      return state?.phase === 'training';
    });
    assert.match(
      await handle.executeUpdate(stopTrialUpdate, { args: [order] }),
      /is stopped, by ada: no use/,
    );
    const add = ['add', 'stopped', '--set', 'overrides.SOLVER.BASE_LR=0.04', 'task=odinw/Raccoon'] as const;
    assert.match(await glee('sweep', ...add, '--seed', '7'), /stopped: trial 'lr0.04-raccoon-s7' is added/);
    assert.match(await glee('sweep', ...add, '--seed', '7'), /trial 'lr0.04-raccoon-s7' is the same/);
    await handle.result();
    const { trials } = await handle.query(sweepStateQuery);
    assert.deepEqual([trials.length, trials.at(-1)?.id], [9, 'lr0.04-raccoon-s7']);
    const stopped = trials.find(({ id }) => id === order.trial);
    assert.deepEqual([stopped?.status, stopped?.why], ['stopped', 'no use (ada)']);
    assert.ok((stopped?.gpuHours ?? 0) > 0, 'the hours of its last segment are missing');
  });

  it('counts a trial that came to its own end at a rung or before it as finished', async () => {
    const handle = await start('short', 'sweeps/short-ends');
    const { counts } = await handle.result();
    const { trials } = await handle.query(sweepStateQuery);
    assert.deepEqual(
      trials.slice(1).map(({ status, reports, why }) => [status, reports.at(-1)?.iterations, why]),
      [
        ['finished', 60, undefined],
        ['finished', 45, undefined],
      ],
    );
    assert.equal(counts.failed, 0);
  });

  it('is followed, steered and reported on the command line', async () => {
    const sweep = (...args: readonly string[]) => glee('sweep', ...args);
    assert.match(await sweep('status', 'calm'), /calm {2}completed {2}8 trials: .*2 finished/);
    assert.match(await sweep('status', 'never'), /there is no sweep 'never'/);
    assert.match(await sweep('stop', 'calm', 'x', '--why', 'y'), /calm/);
    const report = await sweep('report', 'killed', '--compare', 'calm');
    assert.match(report, /# killed/);
    assert.match(report, /odinw\/Rabbits/);
    assert.match(await sweep('report', 'calm', '--format', 'html'), /^<!doctype html>/i);
    assert.match(await sweep('report', 'never'), /sweep 'never' has no plan in S3/);
    assert.match(
      await sweep('add', 'calm', '--set', 'task=odinw/Raccoon'),
      /'raccoon-lr0.05-s1' is the same/,
    );
    const late = ['add', 'calm', '--set', 'task=odinw/Raccoon', '--seed', '9'];
    assert.match(await sweep(...late), /sweep 'calm' does not run any more/);
    assert.match(await sweep('add', 'calm', '--set', 'tsk=odinw/Raccoon'), /tsk: .*did you mean 'task'/);
    assert.match(await sweep('add', 'calm', '--set', 'nothing'), /write key=value/);
    assert.match(
      await sweep('add', 'calm', '--set', 'weights={run: no-1}'),
      /run 'no-1' has no final weights/,
    );
    const { leaderboard } = await stack.client.workflow
      .getHandle<(input: SweepInput) => Promise<SweepResult>>('calm')
      .result();
    const best = `calm.${leaderboard[0]?.trial ?? ''}/finetune@final`;
    assert.match(await glee('evaluate', best), /odinw13_Rabbits .* bbox\/AP50 .* \d/);
    assert.match(await glee('evaluate', 'calm.no/finetune@final'), /MissingFile: there is no checkpoint/);
    assert.match(await glee('evaluate', 'calm'), /names no checkpoint: write run\/stage@iterations/);
  });

  it('is refused at once where its config makes no sense', async () => {
    for (const [config, message] of [
      ['sweeps/broken', /InvalidConfig: .*broken\.yaml/],
      ['sweeps/smal', /no config 'sweeps\/smal'/],
    ] as const) {
      const error: unknown = await (
        await start('refused', config)
      )
        .result()
        .catch((reason: unknown) => reason);
      assert.ok(error instanceof WorkflowFailedError);
      assert.match(rootCause(error), message);
    }
  });
});
