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
    for (const _ of [1, 2]) await unpinAfterEvaluation(s3, pinned, forever);
    await prune(s3, stage, options, forever);
    assert.deepEqual(await left(), [20, 30]);
    assert.equal(await pinForEvaluation(s3, oldest, 'kept/evaluate-10', forever), undefined);
  });

  it('is let go when its evaluation was terminated, and not while nobody knows, nor where people pinned it', async (test) => {
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
    assert.deepEqual(await left(), [10, 20, 30], 'one of the two goes on');
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
