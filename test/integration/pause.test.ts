import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { readAnswer, readSaves } from '../../activities/training/progress/companion-files.ts';
import { livingTrainers } from '../../activities/training/jobs/processes.ts';
import { startRun } from '../../cli/runs/start.ts';
import {
  look,
  resultOf,
  startTestStack,
  trainersOf,
  trainToTheEnd,
  untilIteration,
  type TestStack,
} from '../support/stack.ts';
import { iterationsOf, jobsThatWrote } from '../support/iterations.ts';
import { controlUpdates } from '../../workflows/base/messages.ts';
import { until } from '../support/until.ts';

const MAX_ITERATIONS = 300;

describe('a run that is cancelled in the middle of its training and started again', () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack();
  });
  after(() => stack.stop());

  for (const hosts of [1, 2]) {
    it(`repeats no iteration and ends with the same bytes, on ${hosts} host(s) of two ranks`, async (t) => {
      const config = `joint/rare-saves-${hosts}`;
      const expected = await trainToTheEnd(stack, `whole-${hosts}`, config);
      const run = `paused-${hosts}`;
      await startRun(stack.client, run, { config });
      await untilIteration(stack, run, 'stage1', 80);
      const askedAt = Date.now();
      await cancel(stack, run);
      t.diagnostic(`cancelled within ${Date.now() - askedAt} ms`);
      const [first] = await jobsThatWrote(stack, run);
      assert.ok(first !== undefined);
      const stoppedAfter = (await readAnswer(first))?.iterations ?? 0;
      assert.ok(stoppedAfter >= 80 && stoppedAfter < MAX_ITERATIONS, String(stoppedAfter));

      await startRun(stack.client, run, { config });
      const result = await resultOf(stack, run);
      assert.equal(result.stages[0]?.artifact.sha256, expected.stages[0]?.artifact.sha256);
      assert.equal(result.stages[0]?.iterationsRun, MAX_ITERATIONS - stoppedAfter);
      assert.deepEqual(
        await iterationsOf(stack, run),
        Array.from({ length: MAX_ITERATIONS }, (_, iteration) => iteration),
        'each iteration was done, and once',
      );
      assert.deepEqual(
        (await readSaves(first)).map(({ name, iteration }) => [name, iteration]),
        [[`model_${String(stoppedAfter - 1).padStart(7, '0')}.pth`, stoppedAfter - 1]],
      );
    });
  }

  it('is paused and resumed as a person says, with nothing repeated and the hosts free meanwhile', async () => {
    const config = 'joint/rare-saves-2';
    const run = 'rested';
    await startRun(stack.client, run, { config });
    await untilIteration(stack, run, 'stage1', 60);
    const order = (kind: 'pause' | 'resume', why: string) =>
      stack.client.workflow
        .getHandle(run)
        .executeUpdate(controlUpdates[kind], { args: [{ by: 'ada', why }] });
    await order('pause', 'the hosts are needed');
    await until('it to rest', async () => (await look(stack, run))?.stage?.state?.phase === 'paused');
    assert.deepEqual(await trainersOf(stack), []);
    // Another run has the hosts meanwhile.
    const expected = await trainToTheEnd(stack, 'urgent', config);
    await order('resume', 'they are free');
    const result = await resultOf(stack, run);
    assert.equal(result.stages[0]?.artifact.sha256, expected.stages[0]?.artifact.sha256);
    assert.deepEqual([result.stages[0]?.attempts, result.stages[0]?.iterationsRun], [2, MAX_ITERATIONS]);
  });

  it('is ended within seconds when a rank does not answer', async (t) => {
    const run = 'stopped-rank';
    await startRun(stack.client, run, { config: 'joint/rare-saves-2' });
    await untilIteration(stack, run, 'stage1', 40);
    const living = await livingTrainers();
    const [, second] = stack.hosts;
    const [, pids = []] =
      [...living].find(([folder]) => second !== undefined && folder.startsWith(second.scratch)) ?? [];
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    const askedAt = Date.now();
    await cancel(stack, run);
    t.diagnostic(`cancelled within ${Date.now() - askedAt} ms`);
    // SIGKILL for those that are stopped comes three seconds after SIGTERM.
    assert.ok(Date.now() - askedAt < 10_000);
  });
});

async function cancel(stack: TestStack, run: string): Promise<void> {
  await stack.client.workflow.getHandle(run).cancel();
  await until(`${run} to be cancelled`, async () => (await look(stack, run))?.status === 'CANCELLED');
}
