import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { S3Client } from '@aws-sdk/client-s3';
import { execa } from 'execa';
import { join } from 'node:path';
import { openBucket } from '../../../activities/storage/bucket.ts';
import { ignoredCondition, withCheckedConditions } from '../../../activities/storage/conditional-writes.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { startCarelessS3, type CarelessS3 } from '../../support/careless-s3.ts';
import { startFaultyProxy } from '../../support/faulty-proxy.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { HASTE } from './s3-proxy.ts';

const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };

function bucketAt(
  t: TestContext,
  endpoint: string,
  credentials: S3Client['config']['credentials'] | typeof CREDENTIALS,
) {
  const client = new S3Client({
    endpoint,
    credentials,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
  });
  t.after(() => client.destroy());
  return openBucket(client, 'glee', 'team/', HASTE);
}

describe('a bucket whose server ignores a condition', () => {
  let s3: TestS3;
  before(async () => {
    s3 = await startTestS3();
  });
  after(() => s3.stop());

  it('is told by a probe, which leaves nothing; a server that honours them is not', async (t) => {
    const signal = AbortSignal.timeout(30_000);
    assert.equal(await ignoredCondition(s3, signal), undefined);
    assert.deepEqual(await s3.objects.listAll('probes/', signal), []);
    for (const [ignores, name] of [
      ['if-match', 'If-Match'],
      ['if-none-match', 'If-None-Match'],
      [undefined, undefined],
    ] as const) {
      const careless = await carelessS3(t, ignores);
      assert.equal(await ignoredCondition(bucketAt(t, careless.endpoint, CREDENTIALS), signal), name);
      assert.deepEqual(careless.keys(), []);
    }
  });

  it('gets no conditional write, and others as ever', async (t) => {
    const careless = await carelessS3(t, 'if-match');
    const { bucket } = withCheckedConditions(bucketAt(t, careless.endpoint, CREDENTIALS));
    const problem = { type: 'StorageRefused', message: /bucket 'glee' ignores If-Match.*Use a server/ };
    await assert.rejects(bucket.store.writeText('head.json', 'a', { ifNoneMatch: '*' }), problem);
    await assert.rejects(bucket.store.writeText('head.json', 'a', { ifMatch: '"x"' }), problem);
    assert.equal(await bucket.store.writeText('plain', 'a'), 'written');
    assert.deepEqual(careless.keys(), ['/glee/team/plain']);
  });

  it('is asked before the first conditional write where it is away at first, and once', async (t) => {
    let away = true;
    let requests = 0;
    const proxy = await startFaultyProxy(
      () => s3.endpoint,
      () => {
        requests += 1;
        return away ? { kind: 'status', status: 503, code: 'SlowDown' } : undefined;
      },
    );
    t.after(() => proxy.stop());
    const { bucket, check } = withCheckedConditions(
      bucketAt(t, proxy.endpoint, s3.client.config.credentials),
    );
    await assert.rejects(check(AbortSignal.timeout(20_000)), (error) => !String(error).includes('ignores'));
    away = false;
    assert.equal(await bucket.store.writeText('one', 'a', { ifNoneMatch: '*' }), 'written');
    requests = 0;
    assert.equal(await bucket.store.writeText('one', 'a', { ifNoneMatch: '*' }), 'conflict');
    assert.equal(requests, 1);
  });

  it('keeps workers from starting, by name, and doctor from saying ok', async (t) => {
    const careless = await carelessS3(t, 'if-match');
    const env = {
      ...careless.env,
      ...{ GLEE_CHECKOUT: join(packageRoot, 'sandbox/glee'), GLEE_GPUS: '1', GLEE_PRETEND_GPUS: '1' },
      ...{ GLEE_SCRATCH: await temporaryFolder(t), TEMPORAL_ADDRESS: '127.0.0.1:1', NO_COLOR: '1' },
    };
    const run = (script: string, ...args: string[]) =>
      execa(process.execPath, [join(packageRoot, 'dist', script), ...args], {
        env,
        reject: false,
        timeout: 60_000,
      });
    for (const kind of ['control', 'gpu']) {
      const { exitCode, stderr } = await run('workers/main.js', kind);
      assert.match(stderr, /GLEE_BUCKET: the server of bucket 'glee' ignores If-Match.*Use a server/);
      assert.equal(exitCode, 2, stderr);
    }
    const { exitCode, stdout } = await run('cli/glee.js', 'doctor');
    assert.match(stdout, /ok {4}S3 bucket 'glee': written, read and deleted/);
    assert.match(stdout, /FAIL {2}conditional writes: .*ignores If-Match/);
    assert.equal(exitCode, 1);
  });
});

async function carelessS3(
  t: TestContext,
  ignores: Parameters<typeof startCarelessS3>[0],
): Promise<CarelessS3> {
  const careless = await startCarelessS3(ignores);
  t.after(() => careless.stop());
  return careless;
}
