/**
 * @module What people ask of a run and of its stages, through a real server.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { fail } from '../../../activities/support/failures.ts';
import { parseControl, type ControlKind } from '../../../contracts/controls.ts';
import { stageWorkflowId } from '../../../contracts/ids.ts';
import type { StagePlan } from '../../../contracts/plan.ts';
import { controlUpdates, runStateQuery, yieldSignal } from '../../../workflows/base/messages.ts';
import { stagePlan } from '../../fixtures/stage-plan.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import {
  checkpoint,
  failedAs,
  finish,
  leasesOf,
  newGate,
  setScene,
  startRun,
  startStage,
  stateOf,
  trainForEver,
  viewPoolOf,
  type Scene,
  type Script,
} from '../../support/scene.ts';
import { until } from '../../support/until.ts';

const ada = { by: 'ada', why: 'maintenance' };

/** Trains for ever, until the given attempt, which ends well. */
const untilAttempt =
  (last: number): NonNullable<Script['train']> =>
  (input, host, scene) =>
    input.attempt === last ? finish(input, host, scene) : trainForEver(input, host, scene);

describe('the controls of a stage', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('pauses without hosts for as long as it takes, and continues from what was saved', async (t) => {
    const scene = await setScene(lab, t, { train: untilAttempt(2) });
    const handle = await startStage(scene);
    await untilTraining(scene, 1);
    assert.equal(await ask(scene, 'pause', ada), 'paused, by ada: maintenance');
    await until('the stage to rest', async () => (await stateOf(scene)).phase === 'paused');
    assert.deepEqual(await leasesOf(scene), {});
    assert.deepEqual(scene.cancelled.sort(), ['host-a', 'host-b']);
    assert.match(await refusedWith(scene, 'pause', ada), /stage1 is paused already, by ada: maintenance/);
    assert.match(await refusedWith(scene, 'retry', ada), /backs off from nothing: it is paused/);
    scene.head = checkpoint(scene, 50);
    await ask(scene, 'resume', { by: 'bob', why: 'done' });
    await handle.result();
    assert.equal(scene.trainings.at(-1)?.resumeFrom?.iterations, 50);
    const texts = (await stateOf(scene)).events.map(({ text }) => text);
    assert.ok(texts.includes('resumed, by bob: done'), texts.join('\n'));
    assert.equal((await stateOf(scene)).failures, undefined, 'a pause is no failure');
  });

  it('can be paused while it waits for hosts, and asks for none until it is resumed', async (t) => {
    const scene = await setScene(lab, t, { hosts: ['host-a'], plan: { gang: { hosts: 2, gpusPerHost: 1 } } });
    const handle = await startStage(scene);
    await until('it to wait', async () => (await stateOf(scene)).phase === 'waiting for hosts');
    await ask(scene, 'pause', ada);
    await until('the stage to rest', async () => (await stateOf(scene)).phase === 'paused');
    await handle.cancel();
    await assert.rejects(handle.result());
  });

  it('gives its hosts back to the pool when that asks, once the trainer has saved, and queues again', async (t) => {
    const saved = newGate();
    const scene = await setScene(lab, t, { train: untilAttempt(2), awaitCheckpoint: () => saved.opened });
    const handle = await startStage(scene);
    await untilTraining(scene, 1);
    const requestId = await leaseOf(scene);
    await handle.signal(yieldSignal, { requestId: 'of another time', why: 'late', withinMs: 1 });
    await handle.signal(yieldSignal, { requestId, why: 'urgent-1 wants it', withinMs: 60_000 });
    await until('it to hear of it', async () =>
      (await stateOf(scene)).events.some(({ text }) => text.includes('urgent-1 wants it')),
    );
    assert.deepEqual(scene.cancelled, [], 'it trains on until there is a checkpoint');
    saved.open();
    const result = await handle.result();
    assert.equal(result.attempts, 2);
  });

  it('does not wait out what it backs off for when a person says so', async (t) => {
    const scene = await setScene(lab, t, {
      train: (input, host, self) => {
        if (input.attempt > 7) return finish(input, host, self);
        return Promise.reject(fail('TrainerCrashed', 'boom', { host }));
      },
    });
    const handle = await startStage(scene);
    const beganAt = Date.now();
    while ((await handle.describe()).status.name === 'RUNNING') {
      if ((await stateOf(scene)).phase === 'backing off') await ask(scene, 'retry', ada).catch(onlyRefusals);
    }
    assert.equal((await handle.result()).attempts, 8);
    // It would have backed off for a minute.
    assert.ok(Date.now() - beganAt < 30_000);
  });

  it('ends later when it is extended, from a checkpoint of the attempt that ran', async (t) => {
    const scene = await setScene(lab, t, { train: untilAttempt(2), plan: { learningRateSteps: [80, 150] } });
    const handle = await startStage(scene);
    await untilTraining(scene, 1);
    scene.head = checkpoint(scene, 60);
    assert.match(
      await refusedWith(scene, 'extend', { ...ada, iterations: 100 }),
      /ends after 100 iterations already/,
    );
    assert.match(
      await refusedWith(scene, 'extend', { ...ada, iterations: 150 }),
      /learning rate .* drops at 150/,
    );
    await ask(scene, 'extend', { ...ada, iterations: 200 });
    await untilTraining(scene, 2);
    const { plan, token } = scene.trainings.at(-1) ?? assert.fail();
    assert.deepEqual([plan.maxIterations, plan.overrides], [200, { SOLVER: { MAX_ITER: 200 } }]);
    assert.equal(scene.openings.length, 2);
    assert.ok(token > (scene.trainings[0]?.token ?? Infinity));
    await handle.cancel();
    await assert.rejects(handle.result());
  });

  it('keeps what people change before it answers, and begins with what was kept', async (t) => {
    const scene = await setScene(lab, t, { train: untilAttempt(2) });
    const handle = await startStage(scene);
    await untilTraining(scene, 1);
    await ask(scene, 'priority', { ...ada, priority: 7 });
    await ask(scene, 'extend', { ...ada, iterations: 200 });
    const { run } = scene;
    assert.deepEqual(scene.recorded, [
      { run, stage: 'stage1', changes: { priority: 7 } },
      { run, stage: 'stage1', changes: { priority: 7, maxIterations: 200 } },
    ]);
    await handle.result();

    const later = await setScene(lab, { name: `later ${t.name}` });
    later.head = checkpoint(later, 150);
    const { artifact } = await (
      await startStage(later, undefined, undefined, { maxIterations: 200 })
    ).result();
    assert.deepEqual([artifact.iterations, later.trainings[0]?.plan.maxIterations], [200, 200]);
    assert.deepEqual(later.recorded, [], 'it is kept already');
  });

  it('continues from final weights when it was extended just before its end', async (t) => {
    const ended = newGate();
    const scene = await setScene(lab, t, {
      train: async (input, host, self) => {
        if (input.attempt === 1) await ended.opened;
        return finish(input, host, self);
      },
      awaitCheckpoint: () => new Promise(() => undefined),
    });
    const handle = await startStage(scene);
    await untilTraining(scene, 1);
    await ask(scene, 'extend', { ...ada, iterations: 200 });
    ended.open();
    const { artifact, attempts } = await handle.result();
    assert.deepEqual([artifact.iterations, attempts], [200, 2]);
    assert.equal(scene.trainings.at(-1)?.resumeFrom?.final, true);
  });

  it('refuses by name what would change nothing once it has trained, and is paused', async (t) => {
    const published = newGate();
    const scene = await setScene(lab, t, {
      train: async (input, host, self) => {
        await published.opened;
        return finish(input, host, self);
      },
      awaitCheckpoint: () => new Promise(() => undefined),
    });
    const handle = await startStage(scene);
    await untilTraining(scene, 1);
    await ask(scene, 'pause', ada);
    published.open();
    await until('it to rest', async () => {
      const { trained, phase } = await stateOf(scene);
      return trained === true && phase === 'paused';
    });
    for (const [kind, order] of [
      ['extend', { iterations: 200 }],
      ['priority', { priority: 3 }],
      ['yield', {}],
    ] as const)
      assert.match(await refusedWith(scene, kind, { ...ada, ...order }), /has trained to its end/);
    await ask(scene, 'resume', ada);
    assert.equal((await handle.result()).artifact.iterations, 100);
  });

  it('says what its last attempt failed with where the weights were final already', async (t) => {
    const scene = await setScene(lab, t, {
      train: async (input, host, self) => {
        if (input.machineRank !== 0) return trainForEver(input, host, self);
        await finish(input, host, self);
        throw fail('TrainerCrashed', 'the evaluation crashed', { host });
      },
    });
    const { attempts, lastFailure } = await (await startStage(scene)).result();
    assert.equal(attempts, 2);
    assert.match(lastFailure ?? '', /^attempt 1 failed on host-a: TrainerCrashed: the evaluation crashed$/);
    const { events } = await stateOf(scene);
    assert.match(events.at(-1)?.text ?? '', /final already when attempt 1 failed on host-a/);
  });

  it('goes back once when it diverges, then waits for a person without hosts', async (t) => {
    const scene = await setScene(lab, t, {
      train: (input, host, self) => {
        if (input.attempt === 3) return finish(input, host, self);
        return Promise.reject(fail('NonFiniteLoss', 'loss is nan', { host }));
      },
    });
    scene.head = checkpoint(scene, 50);
    const handle = await startStage(scene);
    await until('it to ask', async () => (await stateOf(scene)).phase === 'waiting for a decision');
    assert.deepEqual(
      scene.openings.map(({ goBack }) => goBack),
      [undefined, { kind: 'one' }],
    );
    assert.deepEqual(await leasesOf(scene), {});
    assert.equal((await stateOf(scene)).question?.type, 'NonFiniteLoss');
    assert.match(
      await refusedWith(scene, 'resolve', { ...ada, action: 'back', iterations: 50 }),
      /fewer only/,
    );
    await ask(scene, 'resolve', { ...ada, action: 'learningRate', learningRate: 5e-5 });
    await handle.result();
    assert.deepEqual(scene.trainings.at(-1)?.plan.overrides, { SOLVER: { BASE_LR: 5e-5 } });
  });

  it('goes back as far as the person says, or ends', async (t) => {
    const scene = await setScene(lab, t, {
      train: (_, host) => Promise.reject(fail('LossSpike', 'loss is 1e9', { host })),
    });
    scene.head = checkpoint(scene, 50);
    const handle = await startStage(scene);
    const asks = () =>
      until('it to ask', async () => (await stateOf(scene)).phase === 'waiting for a decision');
    await asks();
    await ask(scene, 'resolve', { ...ada, action: 'back', iterations: 20 });
    await until('it to ask again', () => scene.openings.length === 3);
    assert.deepEqual(scene.openings.at(-1)?.goBack, { kind: 'to', iterations: 20 });
    await asks();
    await ask(scene, 'resolve', { ...ada, action: 'stop' });
    const failure = await failedAs(handle);
    assert.equal(failure.type, 'StoppedByPerson');
    assert.match(failure.message, /by ada: maintenance/);
  });

  it('has another priority when it asks again', async (t) => {
    const scene = await setScene(lab, t, { train: untilAttempt(2) });
    const handle = await startStage(scene);
    await untilTraining(scene, 1);
    await ask(scene, 'priority', { ...ada, priority: 7 });
    assert.match(await refusedWith(scene, 'priority', { ...ada, priority: 7 }), /has priority 7 as it is/);
    await ask(scene, 'yield', ada);
    await handle.result();
  });
});

describe('the controls of a run', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('hands orders to the stage that runs, with its refusals', async (t) => {
    const scene = await setScene(lab, t, { train: untilAttempt(2) });
    const handle = await startRun(scene);
    await untilTraining(scene, 1);
    const run = (kind: ControlKind, order: unknown) =>
      handle.executeUpdate(controlUpdates[kind], { args: [order] });
    assert.match(await refusal(run('resume', ada)), /stage1 is not paused: it is training/);
    assert.match(await refusal(run('pause', { by: 'ada' })), /'by' and 'why' must say/);
    assert.match(await refusal(run('approve', ada)), /waits for no approval/);
    assert.match(await run('pause', ada), /paused, by ada/);
    await until('the stage to rest', async () => (await stateOf(scene)).phase === 'paused');
    await run('resume', ada);
    await handle.result();
    assert.match(await refusal(run('pause', ada)), /already completed/);
  });

  it('waits for an approval without hosts', async (t) => {
    const scene = await twoStages(lab, t, { approval: true });
    const handle = await startRun(scene);
    const phase = async () => (await handle.query(runStateQuery)).phase;
    await until('it to wait', async () => (await phase()) === 'waiting for approval');
    assert.deepEqual(await leasesOf(scene), {});
    assert.match(
      await refusal(handle.executeUpdate(controlUpdates.pause, { args: [ada] })),
      /stage2 has not begun: it waits for approval/,
    );
    assert.match(
      await handle.executeUpdate(controlUpdates.approve, { args: [ada] }),
      /stage2 is approved, by ada/,
    );
    assert.equal((await handle.result()).stages.length, 2);
  });

  it('skips a stage, whose newest checkpoint the next one begins from', async (t) => {
    const scene = await twoStages(lab, t, {}, (input, host, self) =>
      input.plan.stage === 'stage1' ? trainForEver(input, host, self) : finish(input, host, self),
    );
    const handle = await startRun(scene);
    await untilTraining(scene, 1);
    const skip = (order: object) =>
      handle.executeUpdate(controlUpdates.skip, { args: [{ ...ada, ...order }] });
    assert.match(await refusal(skip({})), /no checkpoint/);
    assert.match(await refusal(skip({ weights: '../x' })), /must name a checkpoint/);
    assert.deepEqual(scene.cancelled, [], 'a refused order changes nothing');
    assert.match(
      await skip({ weights: 'lite-0/stage1@40' }),
      /stage1 ends here; lite-0\/stage1@40 stands in/,
    );
    const { stages } = await handle.result();
    assert.equal(stages[0]?.artifact.name, 'lite-0/stage1@40');
    const second = scene.trainings.find(({ plan }) => plan.stage === 'stage2');
    assert.ok(second?.weights.kind === 'artifact' && second.weights.artifact.name === 'lite-0/stage1@40');
    const [first] = (await handle.query(runStateQuery)).stages;
    assert.ok(first?.status === 'done' && first.skipped === true);
    assert.deepEqual(scene.cancelled.sort(), ['host-a', 'host-b']);
  });
});

describe('parseControl', () => {
  const cases: readonly [title: string, kind: ControlKind, input: unknown, problem: RegExp][] = [
    ['nothing', 'pause', undefined, /must be an object/],
    ['no reason', 'pause', { by: 'ada', why: ' ' }, /'by' and 'why'/],
    ['a novel', 'pause', { by: 'ada', why: 'x'.repeat(501) }, /at most 500/],
    ['an unknown key', 'pause', { ...ada, force: true }, /'pause' knows no 'force'/],
    ['no iterations', 'extend', ada, /'iterations' must be a whole number/],
    ['half an iteration', 'extend', { ...ada, iterations: 1.5 }, /'iterations' must be a whole number/],
    ['a negative priority', 'priority', { ...ada, priority: -1 }, /from 0 to 1000/],
    ['no action', 'resolve', ada, /'action' must be/],
    ['no learning rate', 'resolve', { ...ada, action: 'learningRate', learningRate: 0 }, /above 0/],
    ['a path', 'skip', { ...ada, weights: 'a/../../b' }, /must name a checkpoint/],
  ];
  for (const [title, kind, input, problem] of cases) {
    it(`refuses ${title} for '${kind}'`, () => {
      const parsed = parseControl(kind, input);
      assert.ok(!parsed.ok);
      assert.match(parsed.problem, problem);
    });
  }
});

function ask({ lab, run, plan }: Scene, kind: ControlKind, order: unknown): Promise<string> {
  const handle = lab.client.workflow.getHandle(stageWorkflowId(run, plan.stage));
  return handle.executeUpdate(controlUpdates[kind], { args: [order] });
}

function refusedWith(scene: Scene, kind: ControlKind, order: unknown): Promise<string> {
  return refusal(ask(scene, kind, order));
}

async function refusal(update: Promise<unknown>): Promise<string> {
  try {
    await update;
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) return error.cause?.message ?? '';
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('it was not refused');
}

function onlyRefusals(error: unknown): void {
  if (!(error instanceof WorkflowUpdateFailedError)) throw error;
}

async function untilTraining({ trainings }: Scene, attempt: number): Promise<void> {
  await until(
    `attempt ${attempt} to train`,
    () => trainings.filter((one) => one.attempt === attempt).length >= 2,
  );
}

/** As the pool has it. */
async function leaseOf(scene: Scene): Promise<string> {
  const leases = (await viewPoolOf(scene)).hosts.flatMap(({ leases }) => leases);
  const lease = leases.find(({ holder }) => holder === stageWorkflowId(scene.run, scene.plan.stage));
  assert.ok(lease !== undefined);
  return lease.requestId;
}

function twoStages(
  lab: Lab,
  t: { readonly name: string },
  second: Partial<StagePlan>,
  train: NonNullable<Script['train']> = finish,
): Promise<Scene> {
  const scene = setScene(lab, t, {
    train,
    publish: (input) => scene.then((self) => self.publishAsUsual({ ...input })),
    resolve: async ({ run, config }) => {
      const stages: readonly StagePlan[] = [
        stagePlan(run),
        { ...stagePlan(run, 'stage2'), weights: { kind: 'stage', stage: 'stage1' }, ...second },
      ];
      (await scene).head = null;
      return { plan: { run, config, variant: 'Lite', stages, warnings: [] }, done: [] };
    },
    // Each stage has a head of its own.
    open: async (input, _, self) => {
      const resumeFrom = self.head?.stage === input.stage ? self.head : null;
      return Promise.resolve({ resumeFrom, port: 1 });
    },
  });
  return scene;
}
