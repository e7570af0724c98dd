import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { commitHead, claimHead, readHead } from '../../../activities/checkpoints/head.ts';
import { removeLeftovers } from '../../../activities/training/disk-watch.ts';
import { listJobs, openJob } from '../../../activities/training/jobs/job.ts';
import { Supervisors } from '../../../activities/training/supervisors.ts';
import { makeSmallDisk, noSmallDisk } from '../../support/small-disk.ts';
import { until } from '../../support/until.ts';
import { intercept, startTestS3, type TestS3 } from '../s3.ts';
import { makeJob, makeScratch } from './jobs.ts';
import { makeHost, startRank, type RunningRank, type TestHost } from './ranks.ts';

describe('a disk with room for three checkpoints', { skip: noSmallDisk }, () => {
  let s3: TestS3;
  let isAway = false;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('takes as many as there are while S3 is away: those that a newer one has replaced go', async (test) => {
    const { host, scratch, rank } = await start(test);
    isAway = true;
    for (let iterations = 10; iterations <= 80; iterations += 10) await saved(host, scratch, iterations);
    assert.ok((await checkpoints(scratch)).includes('model_0000079.pth'));
    isAway = false;
    await until('the newest to be in S3', async () => (await headIterations(host)) === 80);
    await end(rank);
  });

  it('says what keeps the next one from its room, and the failure says so too', async (test) => {
    const { host, scratch, rank } = await start(test);
    isAway = true;
    await saved(host, scratch, 10);
    await writeFile(join(scratch, 'of-somebody-else'), Buffer.alloc(1_900_000));
    const note = await until(
      'the note',
      () => rank.beats.find((beat) => beat.note?.includes('no room'))?.note,
    );
    assert.match(
      note,
      /no room for the next checkpoint, which needs 1\.15 MB: [\d.]+ [kM]?B free below GLEE_SCRATCH \(.*\), and 1 checkpoints there \(1\.05 MB\) are of use yet/,
    );
    await host.allow(20);
    isAway = false;
    await assert.rejects(rank.result, {
      type: 'DiskFull',
      message: /^OSError: .*No space left on device .*; [\d.]+ [kM]?B free below GLEE_SCRATCH/,
    });
  });

  async function start(test: TestContext) {
    isAway = false;
    const { folder: scratch, remove } = await makeSmallDisk('3600k');
    test.after(remove);
    const store = intercept(s3.store, {
      before: () => (isAway ? Promise.reject(new Error('S3 is away')) : Promise.resolve()),
    });
    const host = await makeHost(test, 'fills-the-disk.py', { ...s3, store });
    await host.allow(0);
    const plan = { ...host.input.plan, maxIterations: 100 };
    const rank = startRank({ ...host, settings: { ...host.settings, scratch } }, { plan });
    return { host, scratch, rank };
  }

  async function headIterations({ input }: TestHost): Promise<number | undefined> {
    return (await readHead(s3.store, { run: input.run, stage: 'stage1' }))?.checkpoint?.iterations;
  }
});

describe('removeLeftovers', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('removes what ended trainers have left, as far as S3 has gone as far', async (test) => {
    const scratch = await makeScratch(test);
    const job = await makeJob(test, 1, scratch);
    const stage = { run: 'ended', stage: 'stage1' };
    const ended = await openJob(scratch, { ...stage, token: 5, workflowId: 'w' });
    const watched = await openJob(scratch, { ...stage, token: 6, workflowId: 'w' });
    for (const { output } of [job, ended, watched])
      for (const name of ['model_0000009.pth', 'model_0000019.pth']) await writeFile(join(output, name), 'x');
    await claimHead(s3.store, stage, 7);
    const file = { key: 'k', sha256: 'a'.repeat(64), sizeBytes: 1 };
    const saved = { ...stage, token: 7, name: 'model_0000014.pth', iterations: 15, final: false };
    await commitHead(s3.store, { ...saved, file, savedAt: 1 });
    const supervisors = new Supervisors();
    const supervision = await supervisors.takeOver(watched.folder);
    assert.equal(await removeLeftovers({ store: s3.store, scratch, supervisors, job }), 1);
    supervision.end();
    assert.deepEqual(await readdir(ended.output), ['model_0000019.pth']);
    for (const { output } of [job, watched]) assert.equal((await readdir(output)).length, 2);
  });
});

async function saved(host: TestHost, scratch: string, iterations: number): Promise<void> {
  await host.allow(iterations);
  const name = `model_${String(iterations - 1).padStart(7, '0')}.pth`;
  await until(`${name} and room for another`, async () => {
    const names = await checkpoints(scratch);
    return names.includes(name) && names.length < 3;
  });
}

async function checkpoints(scratch: string): Promise<string[]> {
  const jobs = await listJobs(scratch);
  const names = await Promise.all(jobs.map(({ output }) => readdir(output)));
  return names.flat().filter((name) => name.endsWith('.pth'));
}

async function end(rank: RunningRank): Promise<void> {
  rank.cancel();
  await assert.rejects(rank.result, { name: 'CancelledFailure' });
}
