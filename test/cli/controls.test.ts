import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { startRun } from '../../cli/runs/start.ts';
import { resultOf, startTestStack, untilIteration, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

describe('what a person asks of a run on the command line', () => {
  let stack: TestStack;
  before(async () => (stack = await startTestStack()));
  after(() => stack.stop());

  async function glee(...args: string[]) {
    const program = join(packageRoot, 'dist/cli/glee.js');
    const env = { ...stack.env, NO_COLOR: '1' };
    return execa(process.execPath, [program, ...args], { env, reject: false, timeout: 60_000 });
  }

  it('is done, refused in words, and seen in the status', async () => {
    const run = 'controlled';
    await startRun(stack.client, run, { config: 'joint/rare-saves-1' });
    await untilIteration(stack, run, 'stage1', 20);
    assert.match(
      (await glee('resume', run, '--why', 'x')).stderr,
      /controlled: stage1 is not paused: it is training/,
    );
    const paused = await glee('pause', run, '--why', 'maintenance', '--by', 'ada');
    assert.equal(paused.stdout, 'controlled: paused, by ada: maintenance');
    const status = async () => (await glee('status', run)).stdout;
    await until('it to rest', async () => /stage1 {2}paused/.test(await status()));
    assert.match(await status(), /paused by ada: maintenance/);
    const extended = await glee('extend', run, '--iterations', '320', '--why', 'more', '--by', 'bob');
    assert.match(extended.stdout, /is to end after 320 iterations, by bob: more/);
    assert.match(await status(), /changed: ends after 320 iterations/);
    assert.equal((await glee('resume', run, '--why', 'done')).exitCode, 0);
    const [stage] = (await resultOf(stack, run)).stages;
    assert.deepEqual([stage?.artifact.iterations, stage?.iterationsRun], [320, 320]);
  });

  it('decides about a training that diverged twice, which waits for it without hosts', async () => {
    const run = 'diverging';
    await startRun(stack.client, run, { config: 'joint/bad-setting' });
    const status = async () => (await glee('status', run)).stdout;
    await until('it to ask', async () => /stage1 {2}waiting for a decision/.test(await status()));
    assert.match(
      await status(),
      /has to be decided: NonFiniteLoss: .*\n[^]*glee resolve diverging --back-to/,
    );
    const { stdout } = await glee('pool', 'show', '--json');
    assert.doesNotMatch(stdout, /"holder": ?"diverging/);
    const resolved = await glee(
      'resolve',
      run,
      '--learning-rate',
      '0.05',
      '--why',
      'it was absurd',
      '--by',
      'ada',
    );
    assert.match(resolved.stdout, /resolved: SOLVER\.BASE_LR 0\.05, by ada: it was absurd/);
    const [stage] = (await resultOf(stack, run)).stages;
    assert.deepEqual([stage?.attempts, stage?.artifact.iterations], [3, 100]);
  });

  it('is refused before anything is sent where it makes no sense', async () => {
    const wrong: readonly [args: readonly string[], message: RegExp][] = [
      [['pause', 'lite-1'], /--why/],
      [['extend', 'lite-1', '--why', 'x', '--iterations', 'many'], /must be a whole number/],
      [['resolve', 'lite-1', '--why', 'x'], /give one of --back-to/],
      [['resolve', 'lite-1', '--why', 'x', '--stop', '--back-to', '3'], /give one of --back-to/],
      [['resolve', 'lite-1', '--why', 'x', '--learning-rate', '-1'], /must be above 0/],
      [['pause', 'never-begun', '--why', 'x'], /there is no run 'never-begun': 'glee list'/],
    ];
    for (const [args, message] of wrong) {
      const { stderr, exitCode } = await glee(...args);
      assert.equal(exitCode, 1, args.join(' '));
      assert.match(stderr, message);
    }
  });
});
