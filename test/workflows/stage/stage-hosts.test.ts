/**
 * @module How a stage comes by its hosts, and how it leaves them: lost ones, cancellations, others who want them too.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import { fail } from '../../../activities/support/failures.ts';
import { poolWorkflowId } from '../../../contracts/ids.ts';
import { leaseGrantedSignal } from '../../../workflows/base/messages.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import {
  finish,
  leasesOf,
  newGate,
  setScene,
  startStage,
  stateOf,
  trainForEver,
  viewPoolOf,
  type Scene,
  type StageHandle,
} from '../../support/scene.ts';
import { until } from '../../support/until.ts';

describe('the hosts of a stage', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  // Between host-a and host-b in the alphabet, which is the order of grants.
  const GONE = 'host-a-gone';

  for (const [place, hosts] of Object.entries({
    'to open the attempt': [GONE, 'host-b', 'host-c'],
    'to train': ['host-a', GONE, 'host-c'],
  })) {
    it(`are others when one of them does not take its work ${place}`, async (t) => {
      const scene = await setScene(lab, t, {
        hosts,
        limits: { hostTimeoutMs: 1000 },
        train: onlyWithout(GONE),
      });
      const result = await (await startStage(scene)).result();
      assert.equal(result.attempts, 2);
      const { events, avoid, hosts: last } = await stateOf(scene);
      const failures = events.filter(({ failure }) => failure !== undefined);
      assert.deepEqual(
        failures.map(({ text }) => text),
        [`attempt 1 failed on ${GONE}: HostLost: host ${GONE} is lost: no worker took its work`],
      );
      assert.deepEqual(avoid, [GONE]);
      assert.deepEqual(
        last,
        hosts.filter((host) => host !== GONE),
      );
      const [first, second] = scene.trainings.filter(({ machineRank }) => machineRank === 0);
      assert.ok((second ?? first)?.token !== undefined);
      assert.deepEqual(await leasesOf(scene), {});
    });
  }

  it('are the same again when one is lost and there are no others', async (t) => {
    const scene = await setScene(lab, t, {
      train: (input, host, self) => {
        if (input.attempt === 2) return finish(input, host, self);
        return host === 'host-a'
          ? Promise.reject(fail('HostLost', 'rebooted', { host }))
          : trainForEver(input, host, self);
      },
    });
    await (await startStage(scene)).result();
    const second = scene.trainings.filter(({ attempt }) => attempt === 2);
    // The avoided one comes last, so it does not write the checkpoints.
    assert.deepEqual(Object.fromEntries(second.map(({ host, machineRank }) => [host, machineRank])), {
      'host-b': 0,
      'host-a': 1,
    });
  });

  it('are asked again, not given up, when a worker falls silent and another takes its work', async (t) => {
    const scene = await setScene(lab, t, {
      limits: { heartbeatTimeoutMs: 500 },
      train: (input, host, self) => {
        const tries = self.trainings.filter((training) => training.host === host).length;
        return host === 'host-a' && tries === 1 ? newGate().opened.then(never) : finish(input, host, self);
      },
    });
    const result = await (await startStage(scene)).result();
    assert.equal(result.attempts, 1);
    assert.deepEqual(
      scene.trainings.filter(({ host }) => host === 'host-a').map(({ activityAttempt }) => activityAttempt),
      [1, 2],
    );
  });

  it('are wanted no more when the stage is cancelled while it waits for them', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-a'] });
    const handle = await startStage(scene);
    await until('the request to be queued', async () => (await viewPoolOf(scene)).queue.length === 1);
    await cancelAndWait(handle);
    await until('an empty queue', async () => (await viewPoolOf(scene)).queue.length === 0);
  });

  it('are free again when the stage is cancelled while it opens an attempt', async (t) => {
    const opening = newGate();
    const scene = await setScene(lab, t, {
      open: async () => {
        opening.open();
        return newGate().opened.then(never);
      },
    });
    const handle = await startStage(scene);
    await opening.opened;
    await cancelAndWait(handle);
    await untilFree(scene);
    assert.equal(scene.trainings.length, 0);
  });

  it('are free again, their trainers ended, when the stage is cancelled while it trains', async (t) => {
    const scene = await setScene(lab, t, { train: trainForEver });
    const handle = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await cancelAndWait(handle);
    assert.deepEqual(scene.cancelled.toSorted(), ['host-a', 'host-b']);
    await untilFree(scene);
  });

  it('are free again when the stage is cancelled while it backs off', async (t) => {
    const scene = await setScene(lab, t, {
      train: (_, host) => Promise.reject(fail('TrainerCrashed', 'boom', { host })),
    });
    const handle = await startStage(scene);
    // After the fourth attempt it waits for four seconds.
    await until('a long back-off', async () => {
      const { phase, attempt } = await stateOf(scene);
      return phase === 'backing off' && attempt === 4;
    });
    await cancelAndWait(handle);
    await untilFree(scene);
    assert.equal(scene.openings.length, 4);
  });

  it('are given back when they were granted to a request that is over', async (t) => {
    const scene = await setScene(lab, t, { train: trainForEver });
    const handle = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await handle.signal(leaseGrantedSignal, staleLease('of-before', handle));
    await until('its release', () => wasReleased(scene, 'of-before'));
    assert.equal(Object.keys(await leasesOf(scene)).length, 2);
  });

  it('are given back even when they are granted while the cancelled stage ends its trainers', async (t) => {
    const ending = newGate();
    const scene = await setScene(lab, t, {
      train: (input, host, self) => trainForEver(input, host, self).finally(() => ending.opened),
    });
    const handle = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await handle.cancel();
    await until('the trainers to be asked', () => scene.cancelled.length === 2);
    await handle.signal(leaseGrantedSignal, staleLease('of-before', handle));
    // A query answers after what was signalled before it.
    await stateOf(scene);
    ending.open();
    await assertCancelled(handle);
    assert.ok(await wasReleased(scene, 'of-before'));
    await untilFree(scene);
  });

  it('are never granted by halves to stages that compete', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-a', 'host-b', 'host-c'] });
    const busy = new Set<string>();
    const train = async (...[input, host, self]: Parameters<typeof finish>) => {
      assert.ok(!busy.has(host), `${host} trains for two`);
      busy.add(host);
      await until('the gang to be whole', () => self.trainings.length === 2);
      busy.delete(host);
      return finish(input, host, self);
    };
    const rivals = await Promise.all(
      ['one', 'two', 'three', 'four'].map((name) =>
        setScene(lab, { name: `${name} ${t.name}` }, { hosts: [], plan: { pool: scene.run }, train }),
      ),
    );
    const handles = await Promise.all(rivals.map((rival) => startStage(rival)));
    const results = await Promise.all(handles.map((handle) => handle.result()));
    assert.deepEqual(
      results.map(({ attempts }) => attempts),
      [1, 1, 1, 1],
    );
    assert.deepEqual(await leasesOf(scene), {});
  });

  it('come to a stage that is started again, though its terminated predecessor never returned them', async (t) => {
    let starts = 0;
    const scene = await setScene(lab, t, {
      train: (...call) => (starts === 1 ? trainForEver(...call) : finish(...call)),
    });
    starts += 1;
    const terminated = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await terminated.terminate();
    starts += 1;
    const result = await (await startStage(scene)).result();
    assert.equal(result.attempts, 1);
    assert.deepEqual(await leasesOf(scene), {});
  });
});

/** Trains without end as long as the lost host is in the gang. */
function onlyWithout(gone: string): typeof finish {
  return async (input, host, self) => {
    const { hosts } = await stateOf(self);
    return hosts.includes(gone) ? trainForEver(input, host, self) : finish(input, host, self);
  };
}

async function cancelAndWait(handle: StageHandle): Promise<void> {
  await handle.cancel();
  await assertCancelled(handle);
}

async function assertCancelled(handle: StageHandle): Promise<void> {
  await assert.rejects(
    handle.result(),
    (error) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure,
  );
}

function untilFree(scene: Scene): Promise<boolean> {
  return until('the hosts to be free', async () => Object.keys(await leasesOf(scene)).length === 0);
}

function staleLease(requestId: string, { workflowId }: StageHandle) {
  return { requestId, holder: workflowId, holderSince: 0, hosts: [], token: 1 };
}

async function wasReleased({ lab, run }: Scene, requestId: string): Promise<boolean> {
  const { events } = await lab.client.workflow.getHandle(poolWorkflowId(run)).fetchHistory();
  return (events ?? []).some(({ workflowExecutionSignaledEventAttributes: signal }) => {
    const data = signal?.input?.payloads?.[0]?.data;
    return (
      signal?.signalName === 'release' &&
      data !== null &&
      data !== undefined &&
      Buffer.from(data).includes(requestId)
    );
  });
}

function never(): never {
  throw new Error('unreachable: its gate is never opened');
}
