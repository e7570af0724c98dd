/**
 * @module Orders that meet a grant: both reach the stage in one workflow task, since its worker is away while they are
 * sent. An order that was accepted takes effect before anything is spent.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NativeConnection, Worker } from '@temporalio/worker';
import { CONTROL_TASK_QUEUE, poolWorkflowId, stageWorkflowId } from '../../../contracts/ids.ts';
import { bundlePath } from '../../../workers/bundle.ts';
import { controlUpdates, poolLeaseQuery, yieldSignal } from '../../../workflows/base/messages.ts';
import type { trainStage } from '../../../workflows/stage/train-stage.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import {
  join,
  leasesOf,
  setScene,
  stateOf,
  trainForEver,
  viewPoolOf,
  type Scene,
  type StageHandle,
} from '../../support/scene.ts';
import { until } from '../../support/until.ts';

const ada = { by: 'ada', why: 'maintenance' };

// One after the other: a pool that is started asks all stages, and waits for those without a worker.
describe('an order that comes with the grant', () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('pauses the stage before its hosts are used', async (t) => {
    const scene = await setScene(lab, t, { hosts: [] });
    const handle = await waitingForHosts(scene);
    const pausing = handle.executeUpdate(controlUpdates.pause, { args: [ada] });
    await grant(scene, handle);
    const worker = await startWorker(scene);
    assert.equal(await pausing, 'paused, by ada: maintenance');
    await until('the stage to rest', async () => (await stateOf(scene)).phase === 'paused');
    await until('its hosts to be free', async () => Object.keys(await leasesOf(scene)).length === 0);
    assert.deepEqual([scene.openings.length, scene.trainings.length], [0, 0]);
    await handle.executeUpdate(controlUpdates.resume, { args: [ada] });
    assert.equal((await handle.result()).attempts, 1);
    await worker.stop();
  });

  it('gives hosts back that the pool wants before they were used, and trains on others', async (t) => {
    const scene = await setScene(lab, t, { hosts: [] });
    const handle = await waitingForHosts(scene);
    await grant(scene, handle);
    const { requestId } = (await viewPoolOf(scene)).hosts[0]?.leases[0] ?? {};
    await handle.signal(yieldSignal, { requestId, why: 'urgent-1 wants it', withinMs: 60_000 });
    const worker = await startWorker(scene);
    assert.equal((await handle.result()).attempts, 1);
    const { events } = await stateOf(scene);
    assert.ok(events.some(({ text }) => text.includes('urgent-1 wants it')));
    const releases = await signalsOf(lab, poolWorkflowId(scene.run), 'release');
    assert.equal(releases, 2, 'what came with the yield, and what was used');
    const used = new Set(scene.trainings.map((training) => training.requestId));
    assert.ok(
      requestId !== undefined && used.size === 1 && !used.has(requestId),
      'each wait has an id of its own',
    );
    await worker.stop();
  });

  it('drops yields that are malformed, and trains on', async (t) => {
    const scene = await setScene(lab, t, { train: trainForEver });
    const handle = await start(scene);
    const worker = await startWorker(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    const bad: readonly unknown[] = [
      undefined,
      null,
      'yield',
      [],
      { requestId: 7 },
      { why: 'x'.repeat(1e5) },
    ];
    for (const input of bad)
      await lab.client.workflow
        .getHandle(handle.workflowId)
        .signal('yield', ...(input === undefined ? [] : [input]));
    assert.equal((await stateOf(scene)).phase, 'training');
    await handle.cancel();
    await assert.rejects(handle.result());
    await worker.stop();
  });
});

function start({ lab, run, plan }: Scene): Promise<StageHandle> {
  const weights = { kind: 'checkout', path: 'weights/r50.pth', sha256: 'a1', sizeBytes: 1 } as const;
  return lab.client.workflow.start<typeof trainStage>('trainStage', {
    workflowId: stageWorkflowId(run, plan.stage),
    taskQueue: run,
    workflowExecutionTimeout: '60s',
    args: [{ run, plan, weights }],
  });
}

/** The stage has asked for hosts, and has no worker any more. */
async function waitingForHosts(scene: Scene): Promise<StageHandle> {
  await startPool(scene);
  const handle = await start(scene);
  const worker = await startWorker(scene);
  await until(
    'its request',
    async () => (await signalsOf(scene.lab, poolWorkflowId(scene.run), 'request')) === 1,
  );
  await until('the answer', async () => {
    const { events } = await handle.fetchHistory();
    return (events ?? []).some((event) => event.timerStartedEventAttributes);
  });
  await worker.stop();
  return handle;
}

async function startPool({ lab, run }: Scene): Promise<void> {
  const pool = await lab.client.workflow.start('gpuPool', {
    workflowId: poolWorkflowId(run),
    taskQueue: CONTROL_TASK_QUEUE,
  });
  await until('the pool to be ready', async () => (await pool.query(poolLeaseQuery, 'none')).isReady);
}

async function grant(scene: Scene, handle: StageHandle): Promise<void> {
  for (const host of ['host-a', 'host-b']) await join(scene, host);
  await until('the grant', async () => (await signalsOf(scene.lab, handle.workflowId, 'leaseGranted')) === 1);
}

async function signalsOf(lab: Lab, workflowId: string, name: string): Promise<number> {
  const { events } = await lab.client.workflow
    .getHandle(workflowId)
    .fetchHistory()
    .catch(() => ({ events: [] }));
  return (events ?? []).filter(
    ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName === name,
  ).length;
}

/** Its workflow tasks alone; without a cache nothing waits for it once it has stopped. */
async function startWorker({ lab, run }: Scene): Promise<{ stop(): Promise<void> }> {
  const connection = await NativeConnection.connect({ address: lab.address });
  const worker = await Worker.create({
    connection,
    namespace: lab.client.options.namespace,
    taskQueue: run,
    workflowBundle: { codePath: bundlePath },
    maxCachedWorkflows: 0,
  });
  const running = worker.run();
  return {
    stop: async () => {
      worker.shutdown();
      await running;
      await connection.close();
    },
  };
}
