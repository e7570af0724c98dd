import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fail, handOver } from '../../../../activities/support/failures.ts';
import { UnnamedErrors } from '../../../../activities/training/crashes/unnamed-errors.ts';
import { whenDiskIsFull } from '../../../../activities/training/full-disk.ts';
import { openJob } from '../../../../activities/training/jobs/job.ts';
import { Supervisors } from '../../../../activities/training/supervisors.ts';
import { ORIGIN } from '../jobs.ts';
import { temporaryFolder } from '../../../fixtures/glee-checkout.ts';
import { startTestS3 } from '../../s3.ts';

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
    for (let tries = 0; tries < 2; tries += 1) await assert.rejects(work(), TypeError);
    assert.equal(ended, 0);
    const named = { type: 'HostUnfit', nonRetryable: true, message: /gpu-1 .* no name: TypeError: x is/ };
    await assert.rejects(work(), named);
    assert.equal(ended, 1);
  });

  it('gets none before it has come back for long enough, nor where another attempt had it', async () => {
    const errors = new UnnamedErrors('gpu-1', { tries: 2, ms: 60_000 });
    const others = new UnnamedErrors('gpu-1', { tries: 2, ms: 0 });
    const boom = () => Promise.reject(new TypeError('x'));
    for (let tries = 0; tries < 4; tries += 1)
      await assert.rejects(errors.bound('attempt 7', boom), TypeError);
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
    const away = new Error('S3 download failed [bucket=b, key=k]: connect ECONNREFUSED');
    const denied = new Error('S3 download failed: denied');
    denied.name = 'AccessDenied';
    for (let tries = 0; tries < 5; tries += 1)
      await assert.rejects(
        errors.bound('a', () => Promise.reject(away)),
        { message: away.message },
      );
    for (let tries = 0; tries < 2; tries += 1)
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
  const dependencies = { ...s3, settings, supervisors: new Supervisors(), origin: ORIGIN };
  await assert.rejects(
    whenDiskIsFull(dependencies, JOB, () => openJob(scratch, JOB)),
    { type: 'HostUnfit', nonRetryable: true, message: /gpu-1 cannot use its files .*ENOTDIR/ },
  );
});
