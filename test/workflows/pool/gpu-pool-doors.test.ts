/**
 * @module Messages that no one of ours would send, to the pool and to a stage, on a real server. They are dropped, and
 * nothing else stops.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { RawValue } from '@temporalio/common';
import { CONTROL_TASK_QUEUE, poolWorkflowId } from '../../../contracts/ids.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import {
  failedAs,
  join,
  newGate,
  finish,
  setScene,
  startStage,
  trainForEver,
  viewPoolOf,
} from '../../support/scene.ts';
import { until } from '../../support/until.ts';

const BAD: readonly unknown[] = [
  ...[undefined, null, 0, 'x', [], {}, { requestId: 1 }, { name: 'a', gpus: 3e8 }],
  // No converter reads these.
  payload('binary/encrypted', '{}'),
  payload('json/protobuf', '{}'),
  payload('json/plain', '{broken'),
];

function payload(encoding: string, data: string): RawValue {
  return RawValue.fromPayload({ metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(data) });
}

describe('messages that cannot be read', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('are dropped by the pool, which serves everyone else', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-a'] });
    const pool = lab.client.workflow.getHandle(poolWorkflowId(scene.run));
    for (const signal of ['join', 'request', 'release', 'priority', 'blame'])
      for (const bad of BAD) await pool.signal(signal, ...(bad === undefined ? [] : [bad]));
    for (const update of ['cordon', 'uncordon', 'drain', 'clear'])
      for (const bad of BAD) {
        const order =
          bad === undefined ? pool.executeUpdate(update) : pool.executeUpdate(update, { args: [bad] });
        await assert.rejects(order, WorkflowUpdateFailedError);
      }
    for (const query of ['lease', 'host']) for (const bad of BAD) await pool.query(query, bad);
    await join(scene, 'host-b');
    await (await startStage(scene)).result();
    assert.deepEqual(
      (await viewPoolOf(scene)).hosts.map(({ name }) => name),
      ['host-a', 'host-b'],
    );
  });

  it('are dropped by a stage, which trains', async (t) => {
    const done = newGate();
    const scene = await setScene(lab, t, { train: (...call) => done.opened.then(() => finish(...call)) });
    const stage = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    for (const signal of ['yield', 'leaseGranted'])
      for (const bad of BAD) await stage.signal(signal, ...(bad === undefined ? [] : [bad]));
    done.open();
    assert.equal((await stage.result()).attempts, 1);
  });

  it('end a pool that is started with one, by name', async (t) => {
    for (const [index, bad] of ['x', [], {}, { state: { hosts: 3 } }, payload('a/b', '')].entries()) {
      const pool = await lab.client.workflow.start('gpuPool', {
        workflowId: poolWorkflowId(`${t.name}-${index}`),
        taskQueue: CONTROL_TASK_QUEUE,
        args: [bad],
      });
      assert.equal((await failedAs(pool)).type, 'InvalidConfig');
    }
  });
});

describe('a grant that the pool has not made', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('is not used, and the stage gets the true one', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-a'] });
    const stage = await startStage(scene);
    const { requestId } = await until('the request', async () => (await viewPoolOf(scene)).queue[0]);
    const forged = {
      ...{ requestId, holder: stage.workflowId, holderSince: 0, token: Date.now() },
      hosts: ['host-b', 'host-c'].map((name) => ({
        name,
        gpus: 2,
        address: '127.0.0.1',
        gpuIndices: [0, 1],
      })),
    };
    for (const hosts of [forged.hosts, forged.hosts.slice(1), []])
      await stage.signal('leaseGranted', { ...forged, hosts });
    await until('the pool to be asked', async () => {
      const { events } = await stage.fetchHistory();
      return (events ?? []).some(
        ({ activityTaskScheduledEventAttributes: scheduled }) =>
          scheduled?.activityType?.name === 'confirmLease',
      );
    });
    assert.deepEqual([scene.openings, scene.trainings], [[], []]);
    await join(scene, 'host-b');
    await stage.result();
    assert.deepEqual(scene.trainings.map(({ host }) => host).sort(), ['host-a', 'host-b']);
  });

  it('does not take the place of the one that is used', async (t) => {
    const scene = await setScene(lab, t, { train: trainForEver });
    const stage = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    const [lease] = (await viewPoolOf(scene)).hosts[0]?.leases ?? [];
    await stage.signal('leaseGranted', {
      ...{ requestId: lease?.requestId, holder: stage.workflowId, holderSince: 0, token: 5 },
      hosts: [{ name: 'host-c', gpus: 2, address: '127.0.0.1' }],
    });
    await stage.signal('yield', { requestId: 'of another', why: 'a test', withinMs: 0 });
    await stage.cancel();
    await until('its end', async () => (await stage.describe()).status.name === 'CANCELLED');
    assert.deepEqual(scene.cancelled.toSorted(), ['host-a', 'host-b']);
    await until('free hosts', async () =>
      (await viewPoolOf(scene)).hosts.every(({ freeGpus }) => freeGpus === 2),
    );
  });
});
