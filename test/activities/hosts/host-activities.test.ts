import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { ActivityCancellationDetails } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { HostActivities } from '../../../contracts/activities.ts';
import { commitHead } from '../../../activities/checkpoints/head.ts';
import { createHostActivities } from '../../../activities/hosts/host-activities.ts';
import { Supervisors } from '../../../activities/training/supervisors.ts';
import { startTestS3, type TestS3 } from '../s3.ts';

/** Activities have a context, also those that only look at S3. */
const run = <T>(activity: () => Promise<T>): Promise<T> =>
  new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(activity);

const host = { name: 'gpu-1', gpus: 2, address: '127.0.0.1' };

describe('createHostActivities', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  const activities = (
    join: () => Promise<void> = () => Promise.resolve(),
    letGo: () => void = () => undefined,
  ): HostActivities =>
    createHostActivities({
      ...s3,
      settings: {
        scratch: '/none',
        checkout: '/none',
        datasets: '/none',
        python: 'python3',
        host: 'gpu-1',
        cacheBytes: 0,
        pretend: true,
      },
      supervisors: new Supervisors(),
      origin: { cluster: 'test', namespace: 'test', storage: 's3://test/' },
      join,
      letGo,
      leaving: new AbortController().signal,
    });

  it('opens a first attempt with nothing to resume, and a port that is free', async () => {
    const opened = await run(() => activities().openAttempt({ run: 'first', stage: 'stage1', token: 1 }));
    assert.equal(opened.resumeFrom, null);
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(opened.port, resolve);
    });
    server.close();
  });

  it('opens a later attempt from the newest checkpoint, with another port', async () => {
    const stage = { run: 'later', stage: 'stage1' };
    const first = await run(() => activities().openAttempt({ ...stage, token: 1 }));
    await s3.store.writeText('k', 'x');
    const file = { key: 'k', sha256: 'a'.repeat(64), sizeBytes: 1 };
    const rest = { name: 'model_0000009.pth', iterations: 10, final: false, file, savedAt: 1 };
    const checkpoint = { ...stage, token: 1, ...rest };
    await commitHead(s3.store, checkpoint);
    const second = await run(() => activities().openAttempt({ ...stage, token: 2 }));
    assert.deepEqual(second.resumeFrom, checkpoint);
    assert.notEqual(second.port, first.port);
    await assert.rejects(
      run(() => activities().openAttempt({ ...stage, token: 1 })),
      { type: 'Superseded' },
    );
  });

  it('is present until the worker stops, which is no failure', async () => {
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    const joins: string[] = [];
    const host1 = activities(() => Promise.resolve(void joins.push('again')));
    const presence = environment.run(() => host1.bePresent({ host }));
    environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }));
    await presence;
    assert.deepEqual(joins, []);
  });

  it('joins again when the pool has forgotten it', async () => {
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    const joins: string[] = [];
    const host1 = activities(() => Promise.resolve(void joins.push('again')));
    const presence = environment.run(() => host1.bePresent({ host }));
    environment.cancel('NOT_FOUND', new ActivityCancellationDetails({ notFound: true }));
    await assert.rejects(presence, { name: 'CancelledFailure' });
    assert.deepEqual(joins, ['again']);
  });

  it('may leave when the pool lets it go, and does not join again', async () => {
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    const said: string[] = [];
    const host1 = activities(
      () => Promise.resolve(void said.push('again')),
      () => void said.push('let go'),
    );
    const presence = environment.run(() => host1.bePresent({ host }));
    environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true }));
    await assert.rejects(presence, { name: 'CancelledFailure' });
    assert.deepEqual(said, ['let go']);
  });
});
