import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { commitCheckpoint } from '../../activities/checkpoints/commit.ts';
import { takeSnapshot } from '../../activities/checkpoints/snapshot.ts';
import { createControlActivities } from '../../activities/control-activities.ts';
import { readObject, stageResultSchema } from '../../activities/storage/schemas.ts';
import { stageInputs } from '../../planning/inputs-checksum.ts';
import type { SkipStageInput } from '../../contracts/activities.ts';
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import { stagePlan } from '../fixtures/stage-plan.ts';
import { save } from './checkpoints/saved.ts';
import { startTestS3, type TestS3 } from './s3.ts';

const forever = new AbortController().signal;
const weights = { kind: 'checkout', path: 'w.pth', sha256: 'a'.repeat(64), sizeBytes: 1 } as const;

describe('what stands in for a stage that a person skips', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  const plan = { ...stagePlan('default'), settingsSha256: 'b'.repeat(64) };
  const input = (run: string, named?: string): SkipStageInput => ({
    stage: { run, plan, weights },
    ...(named !== undefined && { weights: named }),
  });
  const commit = async (test: TestContext, run: string, iterations: number): Promise<Checkpoint> =>
    commitCheckpoint(s3.store, await save(test, { run, iterations, token: 1 }), forever);
  const run = <T>(
    make: (activities: ReturnType<typeof createControlActivities>) => Promise<T>,
  ): Promise<T> => {
    const activity = () => make(createControlActivities(s3));
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    return environment.run<[], T, typeof activity>(activity);
  };

  it('is its newest checkpoint, which a later start of the run finds as its result', async (test) => {
    await commit(test, 'newest', 10);
    const newest = await commit(test, 'newest', 20);
    const result = await run((activities) => activities.publishSkipped(input('newest')));
    assert.equal(result.artifact.sha256, newest.file.sha256);
    assert.equal(result.inputs, stageInputs(plan, weights));
    const kept = await readObject(s3.store, keys.result('newest', 'stage1'), stageResultSchema);
    assert.deepEqual(kept?.value, result);
  });

  it('is a checkpoint of another run, which is kept there for as long as it is needed', async (test) => {
    await commit(test, 'other', 10);
    await commit(test, 'other', 20);
    const { artifact } = await run((activities) =>
      activities.publishSkipped(input('mine', 'other/stage1@10')),
    );
    assert.deepEqual([artifact.name, artifact.iterations], ['other/stage1@10', 10]);
    const { pins } = await takeSnapshot(s3, { run: 'other', stage: 'stage1' }, forever);
    assert.deepEqual(
      pins.map(({ by }) => by),
      ['mine'],
    );
  });

  it('is refused where there is none, before the stage is ended', async () => {
    const refusal = { type: 'Refused', nonRetryable: true };
    await assert.rejects(
      run((activities) => activities.findSkipped(input('empty'))),
      { ...refusal, message: /no checkpoint 'empty\/stage1' in S3: name others with 'weights'/ },
    );
    await assert.rejects(
      run((activities) => activities.findSkipped(input('empty', 'lite-0/stage1@7'))),
      { ...refusal, message: /no checkpoint 'lite-0\/stage1@7' in S3: 'glee checkpoints list'/ },
    );
  });
});
