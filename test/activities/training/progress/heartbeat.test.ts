import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { startHeartbeat } from '../../../../activities/training/progress/heartbeat.ts';
import type { Progress, TrainRankInput } from '../../../../contracts/training.ts';
import { stagePlan } from '../../../fixtures/stage-plan.ts';

const input: TrainRankInput = {
  ...{ run: 'r', plan: stagePlan('p'), attempt: 1, token: 1, machineRank: 0, masterAddress: 'a', port: 1 },
  weights: { kind: 'checkout', path: 'w', sha256: '0'.repeat(64), sizeBytes: 1 },
  resumeFrom: null,
};

async function beats(heartbeatDetails: unknown, committed: number | undefined): Promise<readonly unknown[]> {
  const environment = new MockActivityEnvironment({ heartbeatDetails });
  const seen: Progress[] = [];
  environment.on('heartbeat', (details: Progress) => seen.push(details));
  await environment.run(() => {
    const heartbeat = startHeartbeat(input, 'gpu-1', () => undefined);
    const progress = { host: 'gpu-1', machineRank: 0, attempt: 1, maxIterations: 300 } as const;
    heartbeat.show({
      ...progress,
      phase: 'training',
      ...(committed !== undefined && { committedIterations: committed }),
    });
    heartbeat.phase('training');
    heartbeat.stop();
    return Promise.resolve();
  });
  return seen.map(({ committedIterations }) => committedIterations);
}

test('whoever adopts a trainer does not take back what is safe in S3: the heartbeat before had it', async () => {
  assert.deepEqual(await beats({ committedIterations: 30 }, 20), [30, 30]);
  assert.deepEqual(await beats({ committedIterations: 30 }, undefined), [30, 30]);
  assert.deepEqual(await beats({ committedIterations: 30 }, 40), [30, 40]);
  assert.deepEqual(await beats(undefined, 20), [undefined, 20]);
  for (const odd of ['x', { committedIterations: 'many' }, null])
    assert.deepEqual(await beats(odd, 20), [undefined, 20]);
});
