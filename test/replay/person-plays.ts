/**
 * @module Paths on which people steer a run, and the pool takes hosts back; played in a lab as those in plays.ts.
 */
import assert from 'node:assert/strict';
import { fail } from '../../activities/support/failures.ts';
import type { ControlKind } from '../../contracts/controls.ts';
import { poolWorkflowId, stageWorkflowId } from '../../contracts/ids.ts';
import type { StagePlan } from '../../contracts/plan.ts';
import { controlUpdates, runStateQuery } from '../../workflows/base/messages.ts';
import { stagePlan } from '../fixtures/stage-plan.ts';
import {
  checkpoint,
  finish,
  setScene,
  startRun,
  startStage,
  stateOf,
  trainForEver,
  type Scene,
} from '../support/scene.ts';
import { until } from '../support/until.ts';
import { executionOf, type Play } from './play.ts';

const ada = { by: 'ada', why: 'to see' };

export const PERSON_PLAYS: Readonly<Record<string, Play>> = {
  'a stage is paused, diverges twice, and continues as a person says': async (lab, name) => {
    const scene = await setScene(
      lab,
      { name },
      {
        train: (input, host, self) => {
          if (input.attempt === 1) return trainForEver(input, host, self);
          if (input.attempt === 4) return finish(input, host, self);
          return Promise.reject(fail('NonFiniteLoss', 'the loss is nan', { host }));
        },
      },
    );
    const handle = await startStage(scene);
    const order = (kind: ControlKind, facts: object = {}) =>
      lab.client.workflow
        .getHandle(stageWorkflowId(scene.run, scene.plan.stage))
        .executeUpdate(controlUpdates[kind], { args: [{ ...facts, ...ada }] });
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await order('pause');
    await untilPhase(scene, 'paused');
    scene.head = checkpoint(scene, 50);
    await order('priority', { priority: 3 });
    await order('resume');
    await untilPhase(scene, 'waiting for a decision');
    await order('resolve', { action: 'learningRate', learningRate: 1e-4 });
    assert.equal((await handle.result()).attempts, 4);
    return { 'stage-controlled': executionOf(handle) };
  },

  'a run waits for approval, and its last stage is skipped': async (lab, name) => {
    const scene: Scene = await setScene(
      lab,
      { name },
      {
        train: (input, host, self) =>
          input.plan.stage === 'stage1' ? finish(input, host, self) : trainForEver(input, host, self),
        open: (input, _, self) =>
          Promise.resolve({ resumeFrom: self.head?.stage === input.stage ? self.head : null, port: 1 }),
        resolve: ({ run, config }) => {
          const stages: readonly StagePlan[] = [
            stagePlan(run),
            { ...stagePlan(run, 'stage2'), weights: { kind: 'stage', stage: 'stage1' }, approval: true },
          ];
          return Promise.resolve({ plan: { run, config, variant: 'Lite', stages, warnings: [] }, done: [] });
        },
      },
    );
    const handle = await startRun(scene);
    const order = (kind: ControlKind, facts: object = {}) =>
      handle.executeUpdate(controlUpdates[kind], { args: [{ ...facts, ...ada }] });
    await until(
      'it to wait',
      async () => (await handle.query(runStateQuery)).phase === 'waiting for approval',
    );
    await order('approve');
    await until('stage2 to train', () => scene.trainings.some(({ plan }) => plan.stage === 'stage2'));
    await assert.rejects(order('resume'));
    await order('skip', { weights: 'other/stage2@final' });
    await handle.result();
    return { 'joint-controlled': executionOf(handle) };
  },

  'an urgent stage has the pool ask another for its hosts': async (lab, name) => {
    const scene = await setScene(
      lab,
      { name },
      {
        train: (input, host, self) =>
          input.attempt === 1 ? trainForEver(input, host, self) : finish(input, host, self),
      },
    );
    const yielding = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    const plan = { pool: scene.run, priority: 9 };
    const urgent = await setScene(lab, { name: `urgent ${name}` }, { hosts: [], plan });
    const handle = await startStage(urgent);
    await handle.result();
    assert.equal((await yielding.result()).attempts, 2);
    const { runId } = await lab.client.workflow.getHandle(poolWorkflowId(scene.run)).describe();
    return {
      'stage-yielded': executionOf(yielding),
      'pool-preempted': { workflowId: poolWorkflowId(scene.run), runId },
    };
  },
};

async function untilPhase(scene: Scene, phase: string): Promise<void> {
  await until(`the stage to be ${phase}`, async () => (await stateOf(scene)).phase === phase);
}
