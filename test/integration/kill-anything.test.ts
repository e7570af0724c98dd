import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { trainerPids } from '../../activities/training/jobs/processes.ts';
import { listJobs } from '../../activities/training/jobs/job.ts';
import {
  look,
  resultOf,
  startTestStack,
  trainToTheEnd,
  untilIteration,
  type TestStack,
} from '../support/stack.ts';
import { until } from '../support/until.ts';
import { startRun } from '../../cli/runs/start.ts';

describe('a run whose parts are killed', () => {
  let stack: TestStack;
  let expected: string;

  before(async () => {
    stack = await startTestStack();
    expected = finalWeights(await trainToTheEnd(stack, 'undisturbed', 'joint/short'));
  });
  after(() => stack.stop());

  it('adopts its trainer when a GPU worker is killed: same pid, no iteration repeated', async () => {
    const run = 'worker-killed';
    await startRun(stack.client, run, { config: 'joint/long' });
    const beforeKill = await untilIteration(stack, run, 'stage1', 60);
    for (const { worker } of stack.hosts) worker.kill('SIGKILL');
    const afterKill = await untilIteration(stack, run, 'stage1', (beforeKill.iteration ?? 0) + 40);
    assert.equal(afterKill.pid, beforeKill.pid);
    assert.equal(afterKill.attempt, 1);
    await cancelled(stack, run);
  });

  it('adopts its trainer when a GPU worker is upgraded: SIGTERM, and the next one continues', async () => {
    const run = 'worker-upgraded';
    await startRun(stack.client, run, { config: 'joint/long' });
    const beforeStop = await untilIteration(stack, run, 'stage1', 60);
    for (const { worker } of stack.hosts) worker.kill('SIGTERM');
    const afterStop = await untilIteration(stack, run, 'stage1', (beforeStop.iteration ?? 0) + 60);
    assert.equal(afterStop.pid, beforeStop.pid);
    assert.equal(afterStop.attempt, 1);
    await cancelled(stack, run);
  });

  it('repeats no iteration when the Temporal server is away for longer than the heartbeat time-out', async () => {
    const run = 'server-away';
    await startRun(stack.client, run, { config: 'joint/short' });
    const { pid } = await untilIteration(stack, run, 'stage1', 40);
    stack.temporal.process.kill('SIGSTOP');
    const stoppedAt = Date.now();
    await until('the outage to outlast the time-out', () => Date.now() - stoppedAt > 6000);
    stack.temporal.process.kill('SIGKILL');
    const result = await resultOf(stack, run);
    assert.equal(finalWeights(result), expected);
    assert.equal(result.stages[0]?.attempts, 1);
    assert.ok(pid !== undefined);
  });

  it('continues from the newest checkpoint when a trainer is killed', async () => {
    const run = 'trainer-killed';
    await startRun(stack.client, run, { config: 'joint/short' });
    const { pid } = await untilIteration(stack, run, 'stage1', 80);
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    const result = await resultOf(stack, run);
    assert.equal(finalWeights(result), expected);
    assert.equal(result.stages[0]?.attempts, 2);
  });

  it('ends with the same bytes when everything is killed at once', async () => {
    const run = 'all-killed';
    await startRun(stack.client, run, { config: 'joint/short' });
    const { pid } = await untilIteration(stack, run, 'stage1', 100);
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    for (const { worker } of stack.hosts) worker.kill('SIGKILL');
    for (const one of [stack.control, stack.temporal.process, stack.s3.process]) one.kill('SIGKILL');
    assert.equal(finalWeights(await resultOf(stack, run)), expected);
  });

  it('keeps training while S3 is away, and commits when it is back', async () => {
    const run = 's3-away';
    await startRun(stack.client, run, { config: 'joint/short' });
    const { pid } = await untilIteration(stack, run, 'stage1', 40);
    stack.s3.process.kill('SIGSTOP');
    const later = await untilIteration(stack, run, 'stage1', 120);
    assert.equal(later.pid, pid);
    stack.s3.process.kill('SIGKILL');
    const result = await resultOf(stack, run);
    assert.equal(finalWeights(result), expected);
    assert.equal(result.stages[0]?.attempts, 1);
  });

  it('has its trainers ended by the hosts themselves when the run is terminated', async () => {
    const run = 'terminated';
    await startRun(stack.client, run, { config: 'joint/short' });
    await untilIteration(stack, run, 'stage1', 20);
    await stack.client.workflow.getHandle(`${run}/stage1`).terminate('test');
    await until('no trainer to be left', async () => (await allTrainers(stack)).length === 0, 30_000);
  });
});

/** The hosts must be free for the next test. */
async function cancelled(stack: TestStack, run: string): Promise<void> {
  await stack.client.workflow.getHandle(run).cancel();
  await until(`${run} to be cancelled`, async () => (await look(stack, run))?.status === 'CANCELLED');
}

async function allTrainers({ hosts }: TestStack): Promise<number[]> {
  const jobs = (await Promise.all(hosts.map(({ scratch }) => listJobs(scratch)))).flat();
  return (await Promise.all(jobs.map(trainerPids))).flat();
}

function finalWeights({ stages }: Awaited<ReturnType<typeof resultOf>>): string {
  const sha256 = stages.at(-1)?.artifact.sha256;
  assert.ok(sha256 !== undefined);
  return sha256;
}
