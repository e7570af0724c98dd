/**
 * @module Paths through the workflows that the embedded default does not take by itself, played in a lab. Each says
 * which histories it leaves to be recorded.
 */
import assert from 'node:assert/strict';
import { fail } from '../../activities/support/failures.ts';
import { poolWorkflowId } from '../../contracts/ids.ts';
import type { Lab, LabOptions } from '../support/lab.ts';
import {
  checkpoint,
  finish,
  join,
  leasesOf,
  newGate,
  setScene,
  startRun,
  startStage,
  stateOf,
  trainForEver,
  viewPoolOf,
  type Scene,
} from '../support/scene.ts';
import { until } from '../support/until.ts';
import { HOST_PLAYS } from './host-plays.ts';
import { PERSON_PLAYS } from './person-plays.ts';
import { executionOf, type Execution, type Play } from './play.ts';

/** Histories are long after so many events, and nothing is kept in memory: each step replays all those before. */
export const LAB: LabOptions = {
  dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': '60' },
  maxCachedWorkflows: 0,
};

export const PLAYS: Readonly<Record<string, Play>> = {
  ...PERSON_PLAYS,
  ...HOST_PLAYS,

  'a run is trained': async (lab, name) => {
    const scene = await setScene(lab, { name });
    await (await startRun(scene)).result();
    return {};
  },

  'a gang fails and is started again': async (lab, name) => {
    const scene = await setScene(lab, { name }, { train: failingUntil(3) });
    const { attempts } = await (await startStage(scene)).result();
    assert.equal(attempts, 3);
    return {};
  },

  'a stage is cancelled': async (lab, name) => {
    const scene = await setScene(lab, { name }, { train: trainForEver });
    const handle = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await handle.cancel();
    await assert.rejects(handle.result());
    assert.deepEqual(scene.cancelled.toSorted(), ['host-a', 'host-b']);
    return {};
  },

  'a stage loses a host and goes elsewhere': async (lab, name) => {
    const hosts = ['host-a', 'host-a-gone', 'host-b'];
    const scene = await setScene(
      lab,
      { name },
      { hosts, limits: { hostTimeoutMs: 1000 }, train: failingUntil(2) },
    );
    const handle = await startStage(scene);
    await handle.result();
    assert.deepEqual((await stateOf(scene)).hosts, ['host-a', 'host-b']);
    return { 'stage-host-lost': executionOf(handle) };
  },

  'a stage rests where it was asked to, and continues to the next place and to its end': async (
    lab,
    name,
  ) => {
    const scene = await setScene(lab, { name });
    await (await startStage(scene, undefined, 40)).result();
    const second = await startStage(scene, undefined, 70);
    assert.equal((await second.result()).iterationsRun, 30);
    assert.equal((await (await startStage(scene)).result()).artifact.iterations, 100);
    return { 'stage-rested': executionOf(second) };
  },

  'a stage finds its newest checkpoint damaged and goes back to the one before': async (lab, name) => {
    const scene = await setScene(
      lab,
      { name },
      {
        open: ({ damaged = [] }, _, self) => {
          const [older, newer] = [checkpoint(self, 20), checkpoint(self, 30)];
          const isDamaged = damaged.includes(newer.file.key);
          const opened = isDamaged ? { resumeFrom: older, insteadOf: newer } : { resumeFrom: newer };
          return Promise.resolve({ ...opened, port: 1 });
        },
        train: async (input, host, self) => {
          if (input.resumeFrom?.iterations === 20) return finish(input, host, self);
          if (host === 'host-a') return trainForEver(input, host, self);
          const damaged = input.resumeFrom?.file.key ?? '';
          throw fail('DamagedCheckpoint', 'it is not what was committed', { host, damaged });
        },
      },
    );
    const handle = await startStage(scene);
    assert.equal((await handle.result()).attempts, 2);
    const [, second] = scene.openings;
    assert.deepEqual(second?.damaged, [checkpoint(scene, 30).file.key]);
    const texts = (await stateOf(scene)).events.map(({ text }) => text);
    assert.ok(texts.some((text) => text.startsWith('the checkpoint of iteration 30 is damaged or gone: ')));
    assert.ok(texts.some((text) => text.endsWith(' from iteration 20')));
    return { 'stage-damaged-checkpoint': executionOf(handle) };
  },

  'a stage fails so often that it continues as new, with its lease and its memory': async (lab, name) => {
    const scene = await setScene(lab, { name }, { train: failingUntil(6) });
    const handle = await startStage(scene);
    const { attempts, iterationsRun } = await handle.result();
    assert.deepEqual([attempts, iterationsRun], [6, 5 * 10 + 50]);
    const { token = 0 } = scene.openings[0] ?? {};
    // The same lease all along: a new one would have a token that is much larger.
    assert.deepEqual(
      scene.openings.map((opening) => opening.token - token),
      [0, 1, 2, 3, 4, 5],
    );
    const { events } = await stateOf(scene);
    assert.equal(events.filter(({ failure }) => failure === 'TrainerKilled').length, 5);
    assert.deepEqual(await leasesOf(scene), {});
    const runs = await chainOf(lab, executionOf(handle));
    assert.ok(runs.length > 1);
    return { 'stage-continued': runs[0], 'stage-after-continued': runs[1] };
  },

  'a pool gets so many messages that it continues as new, with its leases and its queue': async (
    lab,
    name,
  ) => {
    const scene = await setScene(lab, { name }, { train: trainForEver });
    const first = await poolOf(scene);
    const holder = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    const other = await setScene(lab, { name: `other ${name}` }, { hosts: [], plan: { pool: scene.run } });
    const waiting = await startStage(other);
    await until('the other to wait', async () => (await viewPoolOf(scene)).queue.length === 1);
    await until('the pool to continue as new', async () => {
      await join(scene, 'host-a');
      return (await poolOf(scene)).runId !== first.runId;
    });
    const { hosts, queue } = await viewPoolOf(scene);
    assert.deepEqual(
      hosts.map(({ leasedTo, present }) => [leasedTo, present]),
      [
        [holder.workflowId, true],
        [holder.workflowId, true],
      ],
    );
    assert.deepEqual(
      queue.map((request) => request.holder),
      [waiting.workflowId],
    );
    await holder.cancel();
    await waiting.result();
    const [before, after] = [scene.openings[0]?.token, other.openings[0]?.token];
    assert.ok(before !== undefined && after !== undefined && after > before);
    scene.leave('host-b');
    await until('the host to be lost', async () => (await viewPoolOf(scene)).hosts[1]?.present === false);
    const runs = await chainOf(lab, first);
    return { 'pool-continued': runs[0], 'pool-after-continued': runs[1] };
  },

  'a run is started again while its former stage is still ending': async (lab, name) => {
    const ending = newGate();
    let starts = 1;
    const scene = await setScene(
      lab,
      { name },
      {
        train: (...call) =>
          starts === 1 ? trainForEver(...call).finally(() => ending.opened) : finish(...call),
      },
    );
    const terminated = await startRun(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await terminated.terminate();
    await until('the trainers to be asked to end', () => scene.cancelled.length === 2);
    starts = 2;
    const handle = await startRun(scene);
    await until('the stage to be in the way', async () => {
      const { events } = await handle.fetchHistory();
      return events?.some((event) => event.startChildWorkflowExecutionFailedEventAttributes);
    });
    ending.open();
    await handle.result();
    return { 'joint-started-again': executionOf(handle) };
  },
};

/** Fails on each attempt until the given one, ten iterations further each time. */
function failingUntil(attempt: number): typeof finish {
  return (input, host, self) => {
    if (input.attempt >= attempt) return finish(input, host, self);
    if (host !== 'host-a') return trainForEver(input, host, self);
    self.head = checkpoint(self, input.attempt * 10, input.token);
    return Promise.reject(fail('TrainerKilled', 'SIGKILL', { host, iterationsRun: 10 }));
  };
}

async function poolOf({ lab, run }: Scene): Promise<Execution> {
  const { workflowId, runId } = await lab.client.workflow.getHandle(poolWorkflowId(run)).describe();
  return { workflowId, runId };
}

/** The runs that an execution went through by continuing as new, the first one first. */
async function chainOf(lab: Lab, first: Execution): Promise<Execution[]> {
  const { events } = await lab.client.workflow.getHandle(first.workflowId, first.runId).fetchHistory();
  const next = events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
  if (next === null || next === undefined) return [first];
  return [first, ...(await chainOf(lab, { ...first, runId: next }))];
}
