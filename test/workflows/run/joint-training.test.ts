import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import { fail } from '../../../activities/support/failures.ts';
import { CONTROL_TASK_QUEUE, poolWorkflowId } from '../../../contracts/ids.ts';
import type { Problem, StagePlan } from '../../../contracts/plan.ts';
import type { StageResult } from '../../../contracts/runs.ts';
import { runStateQuery } from '../../../workflows/base/messages.ts';
import { stagePlan, stageResult } from '../../fixtures/stage-plan.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import {
  failedAs,
  finish,
  leasesOf,
  newGate,
  setScene,
  startRun,
  trainForEver,
  type Scene,
  type Script,
} from '../../support/scene.ts';
import { until } from '../../support/until.ts';

describe('jointTraining', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  for (const [input, args] of Object.entries({
    'no input': [],
    'null as its input': [null],
    'an empty object': [{}],
  })) {
    it(`trains joint/lite when it is given ${input}`, async (t) => {
      const asked: string[] = [];
      const scene = await setRun(lab, t, {
        resolve: ({ config }) => {
          asked.push(config);
          return Promise.resolve(threeStages(scene, ['stage1', 'stage2', 'stage3']));
        },
      });
      await (args.length === 0 ? startRun(scene) : startRun(scene, args[0])).then((handle) =>
        handle.result(),
      );
      assert.deepEqual(asked, ['joint/lite']);
    });
  }

  const wrongInputs: readonly [name: string, input: unknown, message: RegExp][] = [
    [
      'a string',
      'joint/lite',
      /^input must be an object like \{"config":"joint\/lite"\}, not "joint\/lite"$/,
    ],
    ['a number', 7, /^input must be an object .*, not 7$/],
    ['a list', ['joint/lite'], /^input must be an object .*, not \["joint\/lite"\]$/],
    [
      'an unknown key',
      { configs: 'joint/lite' },
      /^input has an unknown key 'configs'; 'config' is the only one$/,
    ],
    ['a config that is not a name', { config: 7 }, /^input.config must be a name like 'joint\/lite', not 7$/],
    ['a config that is null', { config: null }, /^input.config must be a name .*, not null$/],
  ];
  for (const [name, input, message] of wrongInputs) {
    it(`fails at once when its input is ${name}, saying what is wrong`, async (t) => {
      const scene = await setScene(lab, t, { hosts: [] });
      const failure = await failedAs(await startRun(scene, input));
      assert.equal(failure.type, 'InvalidConfig');
      assert.match(failure.message, message);
    });
  }

  it('fails at once when its workflow id cannot name a run', async () => {
    const options = { taskQueue: CONTROL_TASK_QUEUE, args: [], workflowExecutionTimeout: '30s' } as const;
    for (const workflowId of ['a/b', '.hidden', 'a..b', 'x'.repeat(64), 'größe']) {
      const failure = await failedAs(
        await lab.client.workflow.start('jointTraining', { ...options, workflowId }),
      );
      assert.equal(failure.type, 'InvalidConfig');
      assert.ok(failure.message.startsWith(`run id '${workflowId}' must be`), failure.message);
    }
  });

  it('fails at once with what is wrong with the config', async (t) => {
    let asked = 0;
    const scene = await setScene(lab, t, {
      hosts: [],
      resolve: () => {
        asked += 1;
        return Promise.reject(fail('InvalidConfig', "configs/joint/lite.yaml: no key 'SOLVR'"));
      },
    });
    const handle = await startRun(scene);
    const failure = await failedAs(handle);
    assert.deepEqual(
      [failure.type, failure.message],
      ['InvalidConfig', "configs/joint/lite.yaml: no key 'SOLVR'"],
    );
    assert.equal(asked, 1);
    assert.equal((await handle.query(runStateQuery)).phase, 'failed');
  });

  it('hands each stage the final weights of the one before, by checksum', async (t) => {
    const scene = await setRun(lab, t, {});
    const { run, stages } = await (await startRun(scene)).result();
    assert.equal(run, scene.run);
    assert.deepEqual(
      stages.map(({ stage, artifact }) => [stage, artifact.sha256]),
      [
        ['stage1', 'weights-of-stage1'],
        ['stage2', 'weights-of-stage2'],
        ['stage3', 'weights-of-stage3'],
      ],
    );
    const given = scene.trainings
      .filter(({ machineRank }) => machineRank === 0)
      .map(({ weights }) => (weights.kind === 'artifact' ? weights.artifact : weights));
    assert.deepEqual(given, [
      { kind: 'checkout', path: 'weights/r50.pth', sha256: 'a1', sizeBytes: 1 },
      stages[0]?.artifact,
      stages[1]?.artifact,
    ]);
  });

  it('does only what is missing, and hands on the weights of stages that are done', async (t) => {
    const scene = await setRun(lab, t, {
      resolve: () => Promise.resolve(threeStages(scene, ['stage1', 'stage2'])),
    });
    const handle = await startRun(scene);
    const { stages } = await handle.result();
    assert.deepEqual(
      [...new Set(scene.trainings.map(({ plan, weights }) => `${plan.stage} from ${weights.kind}`))],
      ['stage3 from artifact'],
    );
    assert.equal(stages[0]?.artifact.sha256, 'weights-of-stage1');
    const state = await handle.query(runStateQuery);
    assert.deepEqual(
      state.stages.map((stage) => [stage.status, stage.status === 'done' && stage.reused]),
      [
        ['done', true],
        ['done', true],
        ['done', false],
      ],
    );
  });

  it('fails at once when a stage begins from one that the run does not have', async (t) => {
    const scene = await setScene(lab, t, { plan: { weights: { kind: 'stage', stage: 'stage2' } } });
    const failure = await failedAs(await startRun(scene));
    assert.equal(failure.type, 'InvalidConfig');
    assert.match(failure.message, /begins from the weights of stage2, which is not part of this run/);
  });

  it('says what it has done, does and will do, and what was odd about its config', async (t) => {
    const warning: Problem = { level: 'warning', file: 'a.yaml', key: 'SOLVER.STEPS', message: 'too late' };
    const second = newGate();
    const scene = await setRun(lab, t, {
      resolve: () => {
        const { plan, done } = threeStages(scene, []);
        return Promise.resolve({ plan: { ...plan, warnings: [warning] }, done });
      },
      train: async (...call) => {
        if (call[0].plan.stage === 'stage2') await second.opened;
        return finish(...call);
      },
    });
    const handle = await startRun(scene, { config: 'joint/other' });
    const training = () => scene.trainings.some(({ plan }) => plan.stage === 'stage2');
    await until('the second stage to train', training);
    const { stages, ...state } = await handle.query(runStateQuery);
    assert.deepEqual(state, {
      ...{ run: scene.run, config: 'joint/other', variant: 'Lite', phase: 'training' },
      warnings: ['a.yaml: SOLVER.STEPS: too late'],
    });
    assert.deepEqual(stages.slice(1), [
      { stage: 'stage2', status: 'running', workflowId: `${scene.run}/stage2` },
      { stage: 'stage3', status: 'waiting' },
    ]);
    second.open();
    await handle.result();
    assert.equal((await handle.query(runStateQuery)).phase, 'done');
  });

  it('fails as its stage does, and begins none after it', async (t) => {
    const scene = await setRun(lab, t, {
      train: (_, host) => Promise.reject(fail('MissingFile', 'no annotations/o365.json', { host })),
    });
    const handle = await startRun(scene);
    const failure = await failedAs(handle);
    assert.deepEqual([failure.type, failure.message], ['MissingFile', 'no annotations/o365.json']);
    assert.ok(scene.trainings.every(({ plan }) => plan.stage === 'stage1'));
    assert.equal((await handle.query(runStateQuery)).phase, 'failed');
  });

  it('fails before a host is leased when no gang has room for the weights, naming hosts and bytes', async (t) => {
    const scene = await setRun(lab, t, { room: (host) => (host === 'host-a' ? 1.2e9 : 9e9) });
    const failure = await failedAs(await startRun(scene));
    assert.equal(failure.type, 'DiskFull');
    assert.match(
      failure.message,
      /^stage2 needs 2 hosts of pool '.*' with room for its weights, and 1 of 2 have none; .*: host-a: 1\.2 GB free at \/scratch, 5\.3 GB needed$/,
    );
    assert.ok(
      scene.openings.every(({ stage }) => stage === 'stage1'),
      'stage1 begins from the checkout',
    );
  });

  it('trains where enough hosts have room, or do not say what they have', async (t) => {
    const room = (host: string) => {
      if (host === 'host-b') throw new Error('the disk does not answer');
      return host === 'host-a' ? 1e9 : 9e9;
    };
    const scene = await setRun(lab, t, { hosts: ['host-a', 'host-b', 'host-c'], room });
    assert.equal((await (await startRun(scene)).result()).stages.length, 3);
  });

  it('ends its stage with its trainers when it is cancelled', async (t) => {
    const scene = await setRun(lab, t, { train: trainForEver });
    const handle = await startRun(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await handle.cancel();
    await assert.rejects(
      handle.result(),
      (error) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure,
    );
    assert.deepEqual(scene.cancelled.toSorted(), ['host-a', 'host-b']);
    await untilFree(scene);
  });

  it('has its stage cancelled when it is terminated', async (t) => {
    const scene = await setRun(lab, t, { train: trainForEver });
    const handle = await startRun(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await handle.terminate();
    await until('the trainers to be ended', () => scene.cancelled.length === 2);
    await untilFree(scene);
  });
});

function setRun(lab: Lab, t: { readonly name: string }, script: Script): Promise<Scene> {
  const scene = setScene(lab, t, {
    resolve: async () => threeStages(await scene, []),
    publish: async ({ stage: { run, plan } }) => {
      (await scene).head = null;
      return resultOf(run, plan);
    },
    ...script,
  });
  return scene;
}

/** The plan of the tutorial, and the results of those stages that are done. */
function threeStages({ run, plan: { pool } }: Scene, done: readonly string[]) {
  const stages: readonly StagePlan[] = [
    stagePlan(pool, 'stage1'),
    { ...stagePlan(pool, 'stage2'), weights: { kind: 'stage', stage: 'stage1' } },
    { ...stagePlan(pool, 'stage3'), weights: { kind: 'stage', stage: 'stage2' } },
  ];
  const results = stages.filter(({ stage }) => done.includes(stage)).map((plan) => resultOf(run, plan));
  return {
    plan: { run, config: 'joint/lite', variant: 'Lite', stages, warnings: [] },
    done: results,
  } as const;
}

function resultOf(run: string, plan: StagePlan): StageResult {
  return stageResult(run, plan, `weights-of-${plan.stage}`);
}

async function untilFree(scene: Scene): Promise<void> {
  await until(`pool ${poolWorkflowId(scene.run)} to be free`, async () => {
    return Object.keys(await leasesOf(scene)).length === 0;
  });
}
