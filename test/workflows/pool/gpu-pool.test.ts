/**
 * @module The pool on a real server. Two of its intervals are half a minute, and there is no shorter way to see them
 * pass; those tests run beside each other.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { poolWorkflowId } from '../../../contracts/ids.ts';
import type { LeaseRequest } from '../../../contracts/pool.ts';
import { requestSignal } from '../../../workflows/base/messages.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import {
  join,
  leasesOf,
  newGate,
  finish,
  setScene,
  startStage,
  trainForEver,
  viewPoolOf,
  type Scene,
} from '../../support/scene.ts';
import { until } from '../../support/until.ts';

describe('gpuPool', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('shows its hosts, who holds them, and who waits', async (t) => {
    const scene = await setScene(lab, t, { train: trainForEver });
    const handle = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await ask(scene, { requestId: 'later', holder: 'nobody' });
    const { hosts, queue } = await viewPoolOf(scene);
    const [lease] = hosts[0]?.leases ?? [];
    assert.deepEqual(
      hosts.map(({ name, gpus, freeGpus, present, usable, leasedTo }) => [
        ...[name, gpus, freeGpus, present, usable, leasedTo],
      ]),
      ['host-a', 'host-b'].map((name) => [name, 2, 0, true, true, handle.workflowId]),
    );
    assert.deepEqual(lease?.gpuIndices, [0, 1]);
    assert.deepEqual(
      queue.map(({ requestId, position, waitsFor }) => [requestId, position, waitsFor]),
      [['later', 1, `2 more hosts with 2 GPUs: host-a, host-b are leased to ${handle.workflowId}`]],
    );
  });

  it('queues a request that is made twice once', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-a'] });
    await ask(scene, { requestId: 'one', holder: 'nobody' });
    await ask(scene, { requestId: 'one', holder: 'nobody' });
    assert.equal((await viewPoolOf(scene)).queue.length, 1);
  });

  it('passes over a holder that has ended before its grant', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-a'] });
    await ask(scene, { requestId: 'one', holder: 'nobody' });
    const handle = await startStage(scene);
    await join(scene, 'host-b');
    await handle.result();
    assert.deepEqual(await leasesOf(scene), {});
  });

  it('grants a host no more when its worker has left, and again when it is back', async (t) => {
    const scene = await setScene(lab, t);
    await until('its presence', async () => (await presenceOf(scene, 'host-b')) === true);
    scene.leave('host-b');
    await until('its absence', async () => (await presenceOf(scene, 'host-b')) === false);
    const handle = await startStage(scene);
    await until('the request to be queued', async () => (await viewPoolOf(scene)).queue.length === 1);
    assert.equal(scene.openings.length, 0);
    scene.comeBack('host-b');
    await join(scene, 'host-b');
    await handle.result();
  });

  it('leaves the hosts to a stage that trains on them, also when their worker seems to be gone', async (t) => {
    const done = newGate();
    const scene = await setScene(lab, t, {
      train: (...call) => done.opened.then(() => finish(...call)),
    });
    const handle = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    scene.leave('host-b');
    await until('its absence', async () => (await presenceOf(scene, 'host-b')) === false);
    assert.deepEqual(Object.keys(await leasesOf(scene)), ['host-a', 'host-b']);
    done.open();
    const result = await handle.result();
    assert.equal(result.attempts, 1);
  });

  it('gives out larger tokens than before even when it has been started again', async (t) => {
    const scene = await setScene(lab, t);
    await (await startStage(scene)).result();
    await forget(scene);
    scene.head = null;
    await (await startStage(scene)).result();
    const [first, second] = scene.openings.map(({ token }) => token);
    assert.ok(first !== undefined && second !== undefined && second > first);
  });

  it('loses a host whose queue no one serves', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-without-worker'] });
    assert.equal(await presenceOf(scene, 'host-without-worker'), true);
    await until('its loss', async () => (await presenceOf(scene, 'host-without-worker')) === false, 60_000);
  });

  it('frees the hosts of a terminated holder for others, even while hosts come and go all the time', async (t) => {
    const scene = await setScene(lab, t, { train: trainForEver });
    const holder = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    const other = await setScene(lab, { name: `other ${t.name}` }, { hosts: [], plan: { pool: scene.run } });
    const waiting = await startStage(other);
    await holder.terminate();
    const ended = waiting.result();
    let joinedAt = 0;
    const joinEverySecond = async () => {
      if (Date.now() - joinedAt < 1000) return;
      joinedAt = Date.now();
      await join(scene, 'host-a');
    };
    await until('the grant', () => joinEverySecond().then(() => other.trainings.length === 2), 60_000);
    await ended;
  });

  it('serves a stage that has waited since before it was started again', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-a'] });
    const handle = await startStage(scene);
    await until('the request to be queued', async () => (await viewPoolOf(scene)).queue.length === 1);
    await forget(scene);
    await handle.result();
  });
});

/** What a host's worker does when it finds that the pool is gone is to join again. */
async function forget(scene: Scene): Promise<void> {
  await scene.lab.client.workflow.getHandle(poolWorkflowId(scene.run)).terminate();
  for (const host of ['host-a', 'host-b']) await join(scene, host);
}

async function presenceOf(scene: Scene, name: string): Promise<boolean | undefined> {
  return (await viewPoolOf(scene)).hosts.find((host) => host.name === name)?.present;
}

async function ask({ lab, run }: Scene, request: Pick<LeaseRequest, 'requestId' | 'holder'>): Promise<void> {
  await lab.client.workflow.getHandle(poolWorkflowId(run)).signal(requestSignal, requestOf(request));
}

function requestOf(request: Pick<LeaseRequest, 'requestId' | 'holder'>): LeaseRequest {
  return { ...request, holderSince: 0, hosts: 2, gpusPerHost: 2, avoid: [] };
}
