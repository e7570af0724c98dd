import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { listJobs, type Job } from '../../activities/training/job.ts';
import { readAnswer, readSaves } from '../../activities/training/companion.ts';
import { livingTrainers } from '../../activities/training/processes.ts';
import { startRun } from '../../cli/start.ts';
import {
  look,
  resultOf,
  startTestStack,
  trainToTheEnd,
  untilIteration,
  type TestStack,
} from '../support/stack.ts';
import { until } from '../support/until.ts';

const MAX_ITERATIONS = 300;

describe('a run that is cancelled in the middle of its training and started again', () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack();
  });
  after(() => stack.stop());

  for (const hosts of [1, 2]) {
    it(`repeats no iteration and ends with the same bytes, on ${String(hosts)} host(s) of two ranks`, async (t) => {
      const config = `joint/rare-saves-${String(hosts)}`;
      const expected = await trainToTheEnd(stack, `whole-${String(hosts)}`, config);
      const run = `paused-${String(hosts)}`;
      await startRun(stack.client, run, { config });
      await untilIteration(stack, run, 'stage1', 80);
      const askedAt = Date.now();
      await cancel(stack, run);
      t.diagnostic(`cancelled within ${String(Date.now() - askedAt)} ms`);
      const [first] = await jobsThatWrote(stack, run);
      assert.ok(first !== undefined);
      const stoppedAfter = (await readAnswer(first))?.iterations ?? 0;
      assert.ok(stoppedAfter >= 80 && stoppedAfter < MAX_ITERATIONS, String(stoppedAfter));

      await startRun(stack.client, run, { config });
      const result = await resultOf(stack, run);
      assert.equal(result.stages[0]?.artifact.sha256, expected.stages[0]?.artifact.sha256);
      assert.equal(result.stages[0]?.iterationsRun, MAX_ITERATIONS - stoppedAfter);
      const done = (await Promise.all((await jobsThatWrote(stack, run)).map(iterationsOf))).flat();
      assert.deepEqual(
        done.sort((a, b) => a - b),
        Array.from({ length: MAX_ITERATIONS }, (_, iteration) => iteration),
        'each iteration was done, and once',
      );
      assert.deepEqual(
        (await readSaves(first)).map(({ name, iteration }) => [name, iteration]),
        [[`model_${String(stoppedAfter - 1).padStart(7, '0')}.pth`, stoppedAfter - 1]],
      );
    });
  }

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
    t.diagnostic(`cancelled within ${String(Date.now() - askedAt)} ms`);
    // SIGKILL for those that are stopped comes three seconds after SIGTERM.
    assert.ok(Date.now() - askedAt < 10_000);
  });
});

async function cancel(stack: TestStack, run: string): Promise<void> {
  await stack.client.workflow.getHandle(run).cancel();
  await until(`${run} to be cancelled`, async () => (await look(stack, run))?.status === 'CANCELLED');
}

/** Jobs of rank 0's host, oldest first. */
async function jobsThatWrote({ hosts }: TestStack, run: string): Promise<Job[]> {
  const jobs = await Promise.all(hosts.map(({ scratch }) => listJobs(scratch, { run, stage: 'stage1' })));
  const withMetrics = await Promise.all(
    jobs.flat().map(async (job) => ((await metricsOf(job)) === '' ? [] : [job])),
  );
  return withMetrics.flat().sort((a, b) => a.identity.token - b.identity.token);
}

async function iterationsOf(job: Job): Promise<number[]> {
  const line = z.looseObject({ iteration: z.number(), total_loss: z.number().optional() });
  const lines = (await metricsOf(job)).trimEnd().split('\n');
  return lines
    .map((text) => line.parse(JSON.parse(text)))
    .flatMap((entry) => (entry.total_loss === undefined ? [] : [entry.iteration]));
}

function metricsOf(job: Job): Promise<string> {
  return readFile(join(job.output, 'metrics.json'), 'utf8').catch(() => '');
}
