import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { claimHead } from '../../../activities/checkpoints/head.ts';
import { commitCheckpoint } from '../../../activities/checkpoints/commit.ts';
import {
  pinForEvaluation,
  unpinAfterEvaluation,
  unpinEnded,
} from '../../../activities/checkpoints/evaluation-pins.ts';
import { PEOPLE, pin } from '../../../activities/checkpoints/pins.ts';
import { prune } from '../../../activities/checkpoints/prune.ts';
import { takeSnapshot } from '../../../activities/checkpoints/snapshot.ts';
import { evaluationName } from '../../../activities/training/evaluation/evaluation-name.ts';
import { planEvaluation } from '../../../activities/plans/plan-evaluation.ts';
import { keys } from '../../../contracts/ids.ts';
import type { Plan } from '../../../contracts/plan.ts';
import { stagePlan } from '../../fixtures/stage-plan.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { save } from './saved.ts';

const forever = new AbortController().signal;
const options = { retention: { newest: 2 }, running: true, graceMs: 0 };

describe('a checkpoint that is to be evaluated', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  const makeStage = async (test: Parameters<typeof save>[0], run: string) => {
    const stage = { run, stage: 'stage1' };
    await claimHead(s3.store, stage, 1);
    for (const iterations of [10, 20, 30])
      await commitCheckpoint(s3.store, await save(test, { run, iterations }), forever);
    const left = async () =>
      (await takeSnapshot(s3, stage, forever)).checkpoints.map(({ iterations }) => iterations);
    const [oldest] = (await takeSnapshot(s3, stage, forever)).checkpoints;
    return { stage, left, oldest: oldest ?? assert.fail() };
  };

  it('is kept until its evaluation is over, whatever retention says', async (test) => {
    const { stage, left, oldest } = await makeStage(test, 'kept');
    const pinned = await pinForEvaluation(s3, oldest, 'kept/evaluate-10', forever);
    assert.ok(pinned);
    assert.deepEqual(await pinForEvaluation(s3, oldest, 'kept/evaluate-10', forever), pinned);
    await prune(s3, stage, options, forever);
    assert.deepEqual(await left(), [10, 20, 30]);
    for (let tries = 0; tries < 2; tries += 1) await unpinAfterEvaluation(s3, pinned, forever);
    await prune(s3, stage, options, forever);
    assert.deepEqual(await left(), [20, 30]);
    assert.equal(await pinForEvaluation(s3, oldest, 'kept/evaluate-10', forever), undefined);
  });

  it('is kept from when its evaluation is planned, which is not done again for the same inputs alone', async (test) => {
    const { stage, left } = await makeStage(test, 'planned');
    const sum = 'a'.repeat(64);
    const initial = { kind: 'checkout', path: 'weights/r50.pth', sha256: sum, sizeBytes: 1 } as const;
    const stages = [{ ...stagePlan('default'), settingsSha256: sum, weights: initial }];
    const frozen: Plan = { run: 'planned', config: 'joint/lite', variant: 'Lite', stages, warnings: [] };
    await s3.store.writeText(keys.plan('planned'), JSON.stringify(frozen));
    const none = () => assert.fail('no config was named');
    const asked = { checkpoint: 'planned/stage1@10', datasets: ['coco'] };
    const plan = () => planEvaluation(s3, asked, none, 'planned/evaluate-10', forever);
    const { task, pinned } = await plan();
    assert.ok(pinned);
    await prune(s3, stage, options, forever);
    assert.deepEqual(await left(), [10, 20, 30]);
    const { checkpoint, iterations, inputs, weights } = task;
    const metrics = [{ dataset: 'coco', metric: 'bbox/AP', value: 55 }];
    const result = { checkpoint, iterations, inputs, metrics, sha256: weights.sha256 };
    const name = keys.evaluation('planned', 'stage1', evaluationName(task));
    for (const [kept, done] of [
      [{ ...result, inputs: sum }, undefined],
      [{ ...result, metrics: [] }, undefined],
      [result, result],
    ] as const) {
      await s3.store.writeText(name, JSON.stringify(kept));
      assert.deepEqual((await plan()).done, done);
    }
  });

  it('is unpinned when its evaluation was terminated, and not while Temporal is away, nor where people pinned it', async (test) => {
    const { stage, left, oldest } = await makeStage(test, 'ended');
    await pinForEvaluation(s3, oldest, 'evaluate/ended/stage1@10/a/b', forever);
    await pinForEvaluation(s3, oldest, 'ended/evaluate-10', forever);
    const lost = () => Promise.reject(new Error('Temporal is away'));
    await assert.rejects(unpinEnded(s3, stage, lost, forever));
    const asked: string[] = [];
    const isRunning = (workflow: string) => {
      asked.push(workflow);
      return Promise.resolve(workflow === 'ended/evaluate-10');
    };
    await unpinEnded(s3, stage, isRunning, forever);
    assert.deepEqual(asked.toSorted(), ['ended/evaluate-10', 'evaluate/ended/stage1@10/a/b']);
    await prune(s3, stage, options, forever);
    assert.deepEqual(await left(), [10, 20, 30], 'one of the two continues');
    await pin(s3, oldest, PEOPLE, forever);
    await unpinEnded(s3, stage, () => Promise.resolve(false), forever);
    await prune(s3, stage, options, forever);
    assert.deepEqual(await left(), [10, 20, 30]);
    assert.deepEqual(
      (await takeSnapshot(s3, stage, forever)).pins.map(({ by }) => by),
      [PEOPLE],
    );
  });
});
