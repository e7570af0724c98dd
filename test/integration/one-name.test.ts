import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  spawnGpuWorker,
  startGpuWorker,
  stopGpuWorkers,
  viewHost,
  type GpuWorker,
} from '../support/gpu-worker.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const READY = 'GPU worker is ready';

describe('two GPU workers with one GLEE_HOST', () => {
  let stack: TestStack;
  const workers: GpuWorker[] = [];
  before(async () => {
    stack = await startTestStack({ hosts: 0 });
  });
  after(async () => {
    await stopGpuWorkers(stack, workers);
    await stack.stop();
  });

  it('on two machines: the second one is refused by name, serves nothing, and has the host when the first is gone', async () => {
    const first = await startGpuWorker(stack, 'twin');
    workers.push(first);
    await until('the first to serve', async () => (await first.log()).includes(READY));
    const { place } = await viewHost(stack, 'twin');
    const second = spawnGpuWorker(stack, 'twin', { GLEE_SCRATCH: join(stack.directory, 'hosts', 'other') });
    workers.push(second);
    await until('its refusal', async () =>
      (await second.log()).includes("another worker is in the pool as host 'twin', at 127.0.0.1"),
    );
    assert.ok(!(await second.log()).includes(READY));
    assert.equal((await viewHost(stack, 'twin')).place, place);
    first.kill('SIGTERM');
    assert.equal(await first.ended, 0);
    await until('the second to serve', async () => (await second.log()).includes(READY));
    const host = await viewHost(stack, 'twin');
    assert.deepEqual([host.present, host.place === place], [true, false]);
  });

  it('on one machine: the newer one has the host, and the older one ends', async () => {
    const older = await startGpuWorker(stack, 'upgraded');
    workers.push(older);
    await until('it to serve', async () => (await older.log()).includes(READY));
    const newer = await startGpuWorker(stack, 'upgraded');
    workers.push(newer);
    assert.equal(await older.ended, 0);
    assert.match(await older.log(), /a newer worker of this machine has the host/);
    await until('the newer to serve', async () => (await newer.log()).includes(READY));
    const host = await until('its presence', async () => {
      const found = await viewHost(stack, 'upgraded');
      return found.usable && found;
    });
    newer.kill('SIGTERM');
    assert.equal(await newer.ended, 0);
    assert.match(await newer.log(), /the pool lets this host go/);
    assert.ok((await viewHost(stack, 'upgraded')).workerSince === host.workerSince);
  });

  it('leaves at once when it is told to as soon as it has joined', async () => {
    const worker = await startGpuWorker(stack, 'hasty');
    workers.push(worker);
    const askedAt = Date.now();
    worker.kill('SIGTERM');
    assert.equal(await worker.ended, 0);
    assert.ok(Date.now() - askedAt < 15_000);
    assert.doesNotMatch(await worker.log(), /no one let this host go in time/);
  });
});
