import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startRun } from '../../cli/runs/start.ts';
import {
  spawnWorker,
  startGpuWorker,
  stopGpuWorkers,
  untilHeld,
  viewHost,
  type GpuWorker,
} from '../support/gpu-worker.ts';
import {
  look,
  resultOf,
  startTestStack,
  trainToTheEnd,
  untilIteration,
  type TestStack,
} from '../support/stack.ts';
import { until } from '../support/until.ts';

const ITERATIONS = 300;

describe('a GPU worker that is told to leave', () => {
  let stack: TestStack;
  let control: Omit<GpuWorker, 'host'>;
  const workers: GpuWorker[] = [];
  before(async () => {
    stack = await startTestStack({ hosts: 0 });
    await stack.control.stop();
    control = spawnWorker(stack, 'control');
  });
  after(async () => {
    control.kill('SIGKILL');
    await stopGpuWorkers(stack, workers);
    await stack.stop();
  });

  async function start(host: string, more: Readonly<Record<string, string>> = {}): Promise<GpuWorker> {
    const worker = await startGpuWorker(stack, host, more);
    workers.push(worker);
    return worker;
  }

  function workerOf(host: string | undefined): GpuWorker {
    const worker = workers.findLast((one) => one.host === host);
    assert.ok(worker !== undefined, host);
    return worker;
  }

  /** Its own: one that only stands still has taken a task already, and decides by what it knew then. */
  async function whileNobodyDecides(work: () => Promise<void>): Promise<void> {
    control.kill('SIGKILL');
    await control.ended;
    try {
      await work();
    } finally {
      control = spawnWorker(stack, 'control');
    }
  }

  it('has its gang save and yield, and ends with status 0 when its host is free; the run continues elsewhere with the same bytes', async (t) => {
    await Promise.all(['gpu-1', 'gpu-2', 'gpu-3'].map((host) => start(host)));
    const expected = await trainToTheEnd(stack, 'whole', 'joint/rare-saves-2');
    await startRun(stack.client, 'drained', { config: 'joint/rare-saves-2' });
    let past = 0;
    for (const signal of ['SIGTERM', 'SIGUSR1'] as const) {
      await untilIteration(stack, 'drained', 'stage1', past + 50);
      past += 50;
      const held = await untilHeld(stack, 'drained', 2);
      const [first] = held;
      const worker = workerOf(first);
      const askedAt = Date.now();
      worker.kill(signal);
      assert.equal(await worker.ended, 0);
      t.diagnostic(`${signal}: left within ${Date.now() - askedAt} ms`);
      assert.match(await worker.log(), /the pool lets this host go/);
      const left = await until('the pool to see it', async () => {
        const host = await viewHost(stack, worker.host);
        return !host.present && host;
      });
      assert.deepEqual([left.usable, left.leaving, left.strikes], [false, signal, undefined]);
      const after = await untilHeld(stack, 'drained', 2);
      assert.ok(!after.includes(worker.host));
      // A new worker on that host takes its place again.
      await start(worker.host);
      assert.equal((await viewHost(stack, worker.host)).leaving, undefined);
    }
    const [stage] = (await resultOf(stack, 'drained')).stages;
    assert.equal(stage?.artifact.sha256, expected.stages[0]?.artifact.sha256);
    assert.deepEqual([stage?.attempts, stage?.iterationsRun], [3, ITERATIONS]);
    const events = (await look(stack, 'drained'))?.stage?.state?.events ?? [];
    for (const signal of ['SIGTERM', 'SIGUSR1'])
      assert.ok(events.some(({ text }) => text.endsWith(`is drained: ${signal}`)));
  });

  it('leaves at once when nothing is trained on its host', async (t) => {
    const worker = await start('idle');
    const askedAt = Date.now();
    worker.kill('SIGTERM');
    assert.equal(await worker.ended, 0);
    t.diagnostic(`left within ${Date.now() - askedAt} ms`);
    assert.ok(Date.now() - askedAt < 15_000);
    assert.match(await worker.log(), /the pool lets this host go/);
  });

  it('leaves its trainer to the next worker at a second signal, and when GLEE_DRAIN_MINUTES are over', async () => {
    await startRun(stack.client, 'long', { config: 'joint/long' });
    const { pid, host } = await untilIteration(stack, 'long', 'stage1', 30);
    let worker = workerOf(host);
    await whileNobodyDecides(async () => {
      worker.kill('SIGTERM');
      await until('it to wait', async () => (await worker.log()).includes('leaving when nothing is trained'));
      worker.kill('SIGTERM');
      assert.equal(await worker.ended, 0);
      worker = await start(host, { GLEE_DRAIN_MINUTES: '0.05' });
    });
    await untilTrainedOn(pid);
    await whileNobodyDecides(async () => {
      worker.kill('SIGUSR1');
      assert.equal(await worker.ended, 0);
      assert.match(await worker.log(), /no one let this host go in time/);
      worker = await start(host);
    });
    await untilTrainedOn(pid);
    await stack.client.workflow.getHandle('long').cancel();
  });

  /** By the same process, in the first attempt. */
  async function untilTrainedOn(pid: number | undefined): Promise<void> {
    const { iteration = 0 } = await untilIteration(stack, 'long', 'stage1', 0);
    const now = await untilIteration(stack, 'long', 'stage1', iteration + 50);
    // The control worker has only just started: until it serves, a query has no answer.
    const attempt = await until(
      'the stage to answer',
      async () => (await look(stack, 'long'))?.stage?.state?.attempt,
    );
    assert.deepEqual([now.pid, attempt], [pid, 1]);
    assert.equal((await viewHost(stack, now.host)).usable, true);
  }
});
