import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fail, handOver } from '../../../activities/fail.ts';
import { UnnamedErrors } from '../../../activities/training/unnamed-errors.ts';
import { whenDiskIsFull } from '../../../activities/training/full-disk.ts';
import { openJob } from '../../../activities/training/job.ts';
import { Supervisors } from '../../../activities/training/supervisors.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { startTestS3 } from '../s3.ts';

const JOB = { run: 'run', stage: 'stage1', token: 2, workflowId: 'run/stage1' };

describe('an error without a name', () => {
  const soon = { tries: 3, ms: 0 };

  it('gets one after some tries, once what was begun has been ended', async () => {
    const errors = new UnnamedErrors('gpu-1', soon);
    let ended = 0;
    const work = () =>
      errors.bound(
        'attempt 7',
        () => Promise.reject(new TypeError('x is undefined')),
        () => Promise.resolve(void (ended += 1)),
      );
    for (const _ of [1, 2]) await assert.rejects(work(), TypeError);
    assert.equal(ended, 0);
    const named = { type: 'HostUnfit', nonRetryable: true, message: /gpu-1 .* no name: TypeError: x is/ };
    await assert.rejects(work(), named);
    assert.equal(ended, 1);
  });

  it('gets none before it has come back for long enough, nor where another attempt had it', async () => {
    const errors = new UnnamedErrors('gpu-1', { tries: 2, ms: 60_000 });
    const others = new UnnamedErrors('gpu-1', { tries: 2, ms: 0 });
    const boom = () => Promise.reject(new TypeError('x'));
    for (const _ of [1, 2, 3, 4]) await assert.rejects(errors.bound('attempt 7', boom), TypeError);
    await assert.rejects(others.bound('attempt 7', boom), TypeError);
    await assert.rejects(others.bound('attempt 8', boom), TypeError);
  });

  it('is forgotten when the work succeeds, fails by a name, or is handed over', async () => {
    const errors = new UnnamedErrors('gpu-1', { tries: 2, ms: 0 });
    const boom = () => errors.bound('attempt 7', () => Promise.reject(new TypeError('x')));
    for (const other of [
      () => Promise.resolve(),
      () => Promise.reject(fail('Hang', 'silent')),
      () => Promise.reject(handOver('the worker stops')),
    ]) {
      await assert.rejects(boom(), TypeError);
      await errors.bound('attempt 7', other).catch(() => undefined);
    }
    await assert.rejects(boom(), TypeError);
  });

  it('is waited out where S3 is away, and named where S3 refuses', async () => {
    const errors = new UnnamedErrors('gpu-1', soon);
    const away = Object.assign(new Error('S3 download failed [bucket=b, key=k]: connect ECONNREFUSED'));
    const denied = Object.assign(new Error('S3 download failed: denied'), { name: 'AccessDenied' });
    for (const _ of [1, 2, 3, 4, 5])
      await assert.rejects(
        errors.bound('a', () => Promise.reject(away)),
        { message: away.message },
      );
    for (const _ of [1, 2])
      await assert.rejects(
        errors.bound('a', () => Promise.reject(denied)),
        denied,
      );
    await assert.rejects(
      errors.bound('a', () => Promise.reject(denied)),
      { type: 'StorageRefused' },
    );
  });
});

it('a scratch folder that takes no writes makes the host unfit, at once and by name', async (t) => {
  const s3 = await startTestS3();
  t.after(() => s3.stop());
  const scratch = join(await temporaryFolder(t), 'scratch');
  // As root a test can write anywhere but below a file.
  await writeFile(scratch, '');
  const settings = { scratch, checkout: scratch, python: 'python3', host: 'gpu-1', cacheBytes: 1e9 };
  const dependencies = { ...s3, settings, supervisors: new Supervisors() };
  await assert.rejects(
    whenDiskIsFull(dependencies, JOB, () => openJob(scratch, JOB)),
    { type: 'HostUnfit', nonRetryable: true, message: /gpu-1 cannot use its files .*ENOTDIR/ },
  );
});
