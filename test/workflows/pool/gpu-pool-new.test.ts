/**
 * @module A pool that is started again, or continues as new, while its hosts are in use, on a real server.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CONTROL_TASK_QUEUE, poolWorkflowId, stageWorkflowId } from '../../../contracts/ids.ts';
import type { HostJoin } from '../../../contracts/pool.ts';
import { controlUpdates, joinSignal } from '../../../workflows/base/messages.ts';
import { initialStageState } from '../../../workflows/stage/stage-state.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import {
  join,
  leasesOf,
  newGate,
  setScene,
  startStage,
  stateOf,
  trainForEver,
  viewPoolOf,
  type Scene,
} from '../../support/scene.ts';
import { until } from '../../support/until.ts';

describe('a gpuPool that is started again', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('grants nothing that its holder trains on, and all of it when the holder has ended', async (t) => {
    const scene = await setScene(lab, t, { train: trainForEver });
    const holder = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    const rival = await setScene(lab, { name: `rival ${t.name}` }, { hosts: [], plan: { pool: scene.run } });
    const { token } = await stateOf(scene);
    await terminatePool(scene);
    const waiting = await startStage(rival);
    for (const host of ['host-a', 'host-b']) await join(scene, host);
    await until('the rival to wait', async () => {
      const { queue, hosts } = await viewPoolOf(scene);
      return hosts.length === 2 && queue[0]?.waitsFor.includes(`leased to ${holder.workflowId}`);
    });
    const { hosts } = await viewPoolOf(scene);
    assert.deepEqual(
      hosts.map(({ freeGpus, leases }) => [freeGpus, leases[0]?.holder, leases[0]?.adopted]),
      hosts.map(() => [0, holder.workflowId, true]),
    );
    assert.equal(rival.openings.length, 0);
    await holder.cancel();
    await waiting.result();
    assert.ok((rival.openings[0]?.token ?? 0) > token);
    assert.deepEqual(await leasesOf(scene), {});
  });

  it('grants nothing that its holder is about to train on, though nothing lives there yet', async (t) => {
    const checked = newGate();
    const scene = await setScene(lab, t, { check: () => checked.opened.then(() => ({})) });
    const holder = await startStage(scene);
    await until('the hosts to be checked', async () => (await stateOf(scene)).phase === 'checking hosts');
    const rival = await setScene(lab, { name: `rival ${t.name}` }, { hosts: [], plan: { pool: scene.run } });
    await terminatePool(scene);
    const waiting = await startStage(rival);
    for (const host of ['host-a', 'host-b']) await join(scene, host);
    await until('the rival to wait', async () => {
      const { queue } = await viewPoolOf(scene);
      return queue[0]?.waitsFor.includes(`leased to ${holder.workflowId}`);
    });
    assert.deepEqual(rival.openings, []);
    checked.open();
    assert.equal((await holder.result()).attempts, 1);
    await waiting.result();
  });

  it('has its holder give back what only a host believes to be leased', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-a', 'host-b'], train: trainForEver });
    const holder = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    const job = { holder: holder.workflowId, requestId: 'of-before', token: 1, gpuIndices: [0, 1] };
    await joinAs(scene, { ...hostOf('host-c'), jobs: [job] });
    await until('its release', async () => {
      const host = (await viewPoolOf(scene)).hosts.find(({ name }) => name === 'host-c');
      return host?.freeGpus === 2;
    });
    assert.deepEqual(Object.keys(await leasesOf(scene)), ['host-a', 'host-b']);
  });

  it('tells a worker that it may leave when its first word was that it leaves', async (t) => {
    const scene = await setScene(lab, t, { hosts: [] });
    await joinAs(scene, { ...hostOf('host-a'), leaving: 'SIGTERM', place: 'aa', workerSince: 1 });
    let isTold = false;
    void scene.untilLeft('host-a').then(() => (isTold = true));
    await until('its worker to be told', () => isTold);
    await until('its leave', async () => (await viewPoolOf(scene)).hosts[0]?.present === false);
  });

  it('watches the newer worker of a machine, and refuses another machine until that is gone', async (t) => {
    const scene = await setScene(lab, t, { hosts: [] });
    const first = { ...hostOf('host-a'), place: 'aa', workerSince: 1 };
    await joinAs(scene, first);
    await joinAs(scene, { ...first, place: 'bb', address: 'other.example' });
    await joinAs(scene, { ...first, workerSince: 2 });
    await joinAs(scene, { ...first, workerSince: 1, leaving: 'SIGTERM' });
    const [host] = (await viewPoolOf(scene)).hosts;
    assert.deepEqual(
      [host?.place, host?.workerSince, host?.address, host?.leaving],
      ['aa', 2, 'host-a.example', undefined],
    );
    await until('its presence', async () => (await viewPoolOf(scene)).hosts[0]?.usable);
    scene.leave('host-a');
    await until('its leave', async () => (await viewPoolOf(scene)).hosts[0]?.present === false);
    scene.comeBack('host-a');
    await joinAs(scene, { ...first, place: 'bb', workerSince: 1 });
    assert.equal((await viewPoolOf(scene)).hosts[0]?.place, 'bb');
  });
});

describe('a gpuPool that continues as new all the time', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => {
    lab = await startLab({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': '60' } });
  });
  after(() => lab.stop());

  it('frees the hosts of a terminated holder for others', async (t) => {
    const scene = await setScene(lab, t, { train: trainForEver });
    const holder = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    const rival = await setScene(lab, { name: `rival ${t.name}` }, { hosts: [], plan: { pool: scene.run } });
    const waiting = await startStage(rival);
    await holder.terminate();
    const first = await runIdOf(lab, poolWorkflowId(scene.run));
    const again = async () => {
      await join(scene, 'host-a');
      return rival.trainings.length === 2;
    };
    await until('the grant', again, 60_000);
    await waiting.result();
    assert.notEqual(await runIdOf(lab, poolWorkflowId(scene.run)), first, 'it has continued as new');
  });

  it('keeps the place of a stage that continues as new itself', async (t) => {
    const scene = await setScene(lab, t, { hosts: [] });
    const stage = await startStage(scene);
    const queued = () => viewPoolOf(scene).then(({ queue }) => queue[0]);
    const before = await until('the request', () => queued().catch(() => undefined));
    const id = stageWorkflowId(scene.run, scene.plan.stage);
    let priority = 0;
    await until('the stage to continue as new', async () => {
      const [why, by] = ['a test', 'me'];
      priority += 1;
      await lab.client.workflow
        .getHandle(id)
        .executeUpdate(controlUpdates.priority, { args: [{ by, why, priority }] })
        .catch(() => undefined);
      return (await runIdOf(lab, id)) !== stage.firstExecutionRunId;
    });
    const asked = async () => (await queued())?.priority === priority;
    await until('its newest words', asked);
    const after = await queued();
    assert.deepEqual(
      [after?.requestId, after?.holderSince, (after?.waitedMs ?? 0) > before.waitedMs],
      [before.requestId, before.holderSince, true],
    );
    assert.equal((await viewPoolOf(scene)).queue.length, 1);
    for (const host of ['host-a', 'host-b']) await join(scene, host);
    await lab.client.workflow.getHandle(id).result();
    assert.deepEqual(await leasesOf(scene), {});
  });

  it('asks for hosts in place of the lease that the stage had before it continued as new', async (t) => {
    const scene = await setScene(lab, t, { hosts: [] });
    const lease = { held: null, wanted: null, replaces: 'the lease before', holderSince: 7 };
    const stage = await startStage(scene, { state: initialStageState, lease });
    await until(
      'the request',
      async () => (await viewPoolOf(scene).catch(() => undefined))?.queue.length === 1,
    );
    const { events } = await lab.client.workflow.getHandle(poolWorkflowId(scene.run)).fetchHistory();
    const asked = (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) =>
      signal?.signalName === 'request' ? (signal.input?.payloads ?? []) : [],
    );
    assert.match(
      Buffer.from(asked[0]?.data ?? []).toString(),
      /"holderSince":7,.*"replaces":"the lease before"/,
    );
    await stage.terminate();
  });
});

function hostOf(name: string) {
  return { name, gpus: 2, address: `${name}.example` };
}

async function joinAs({ run, lab }: Scene, host: HostJoin): Promise<void> {
  await lab.client.workflow.signalWithStart('gpuPool', {
    ...{ workflowId: poolWorkflowId(run), taskQueue: CONTROL_TASK_QUEUE, args: [] },
    ...{ signal: joinSignal, signalArgs: [host] },
  });
}

async function terminatePool(scene: Scene): Promise<void> {
  await scene.lab.client.workflow.getHandle(poolWorkflowId(scene.run)).terminate();
}

async function runIdOf(lab: Lab, workflowId: string): Promise<string> {
  return (await lab.client.workflow.getHandle(workflowId).describe()).runId;
}
