import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { ActivityCancellationDetails } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { z } from 'zod';
import type { HostActivities } from '../../contracts/activities.ts';
import { commitHead } from '../../activities/checkpoints/head.ts';
import { createHostActivities } from '../../activities/host-activities.ts';
import { Supervisors } from '../../activities/training/supervisors.ts';
import { startTestS3, type TestS3 } from './s3.ts';

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
    leave: (why: string) => void = () => undefined,
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
      leave,
      place: 'here',
      workerSince: 2,
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
    const presence = environment.run(() => host1.keepPresence({ host }));
    environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }));
    await presence;
    assert.deepEqual(joins, []);
  });

  it('joins again when the pool has forgotten it', async () => {
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    const joins: string[] = [];
    const host1 = activities(() => Promise.resolve(void joins.push('again')));
    const presence = environment.run(() => host1.keepPresence({ host }));
    environment.cancel('NOT_FOUND', new ActivityCancellationDetails({ notFound: true }));
    await assert.rejects(presence, { name: 'CancelledFailure' });
    assert.deepEqual(joins, ['again']);
  });

  it('leaves when the pool lets it go, and when a newer worker of the machine has the host', async () => {
    const said: string[] = [];
    const host1 = activities(
      () => Promise.resolve(void said.push('again')),
      (why) => void said.push(why),
    );
    await run(() => host1.leave({ host: { ...host, workerSince: 2 } }));
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    const presence = environment.run(() => host1.keepPresence({ host }));
    environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true }));
    await assert.rejects(presence, { name: 'CancelledFailure' });
    assert.deepEqual(said, ['the pool lets this host go', 'a newer worker of this machine has the host']);
  });

  it('leaves what is for another worker of its queue to that worker', async () => {
    const said: string[] = [];
    const host1 = activities(undefined, (why) => void said.push(why));
    const other = { host: { ...host, workerSince: 1 } };
    await assert.rejects(
      run(() => host1.leave(other)),
      { type: 'WorkerShutdown' },
    );
    await assert.rejects(
      run(() => host1.keepPresence(other)),
      { type: 'WorkerShutdown' },
    );
    assert.deepEqual(said, []);
  });

  it('starts nothing under a lease of another machine that had its name', async () => {
    const input = { task: {}, token: 1, attempt: 1, place: 'there' };
    const parsed = z.custom<Parameters<HostActivities['evaluateOnHost']>[0]>().parse(input);
    await assert.rejects(
      run(() => activities().evaluateOnHost(parsed)),
      { type: 'HostLost' },
    );
  });
});
