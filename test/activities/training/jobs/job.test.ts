import assert from 'node:assert/strict';
import { lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { findJob, listJobs, openJob, type Job } from '../../../../activities/training/jobs/job.ts';
import { keyOf } from '../../../../activities/training/jobs/job-key.ts';
import { makeJob, makeScratch, ORIGIN } from '../jobs.ts';

const identity = {
  run: 'run',
  stage: 'stage1',
  token: 7,
  workflowId: 'run/stage1',
  host: 'gpu-1',
  origin: ORIGIN,
};

describe('openJob', () => {
  it('makes no folder for a run, a stage or a token that could lead out of the scratch folder', async (test) => {
    const scratch = await makeScratch(test);
    const bad = [{ run: '../../etc' }, { run: 'a/b' }, { run: '' }, { stage: '..' }, { stage: 'a\nb' }];
    const tokens = [{ token: -1 }, { token: 1.5 }, { token: Number.NaN }, { token: 2 ** 60 }];
    for (const other of [...bad, ...tokens])
      await assert.rejects(openJob(scratch, { ...identity, ...other }), { type: 'InvalidConfig' });
    await assert.rejects(lstat(join(scratch, 'jobs')), { code: 'ENOENT' });
  });

  it('refuses a job of another machine by name: its trainer may live there', async (test) => {
    const scratch = await makeScratch(test);
    const job = await openJob(scratch, { ...identity, host: 'gpu-7' });
    await changeMachine(job, (machine) => ({ ...machine, place: 'other', machine: 'other' }));
    await assert.rejects(openJob(scratch, identity), {
      type: 'HostUnfit',
      message: /belongs to gpu-7 on another machine .* give each machine a GLEE_SCRATCH of its own/,
      details: [{ host: 'gpu-1' }],
    });
    assert.deepEqual(await listJobs(scratch), []);
  });

  it('refuses one of another container on the same machine, where it sees no processes', async (test) => {
    const scratch = await makeScratch(test);
    const job = await openJob(scratch, identity);
    await changeMachine(job, (machine) => ({ ...machine, place: 'other' }));
    await assert.rejects(openJob(scratch, identity), { type: 'HostUnfit' });
  });

  it('takes over a job of an earlier boot of the same machine: its processes are gone', async (test) => {
    const scratch = await makeScratch(test);
    const job = await openJob(scratch, identity);
    await changeMachine(job, (machine) => ({
      machine: machine.machine || 'id',
      boot: 'earlier',
      place: 'other',
    }));
    if ((await readFile('/etc/machine-id', 'utf8').catch(() => '')).trim() === '') {
      // No one can tell that it is the same machine.
      await assert.rejects(openJob(scratch, identity), { type: 'HostUnfit' });
      return;
    }
    assert.equal((await listJobs(scratch)).length, 1);
    await openJob(scratch, identity);
  });

  it('makes nothing behind a link, where files of others would be removed', async (test) => {
    const [scratch, other] = [await makeScratch(test), await makeScratch(test)];
    const { folder } = await openJob(scratch, identity);
    await mkdir(join(scratch, 'jobs/run/stage2/7'), { recursive: true });
    await symlink(other, join(scratch, 'jobs/run/stage2/7/out'));
    await assert.rejects(openJob(scratch, { ...identity, stage: 'stage2' }), { type: 'HostUnfit' });
    await writeFile(
      join(scratch, 'jobs/run/stage2/7/job.json'),
      (await readFile(join(folder, 'job.json'), 'utf8')).replace('"stage1"', '"stage2"'),
    );
    assert.deepEqual(
      (await listJobs(scratch)).map((job) => job.folder),
      [folder],
    );
  });
});

describe('listJobs', () => {
  it('believes no job.json that names another folder', async (test) => {
    const scratch = await makeScratch(test);
    const [one, other] = [await makeJob(test, 1, scratch), await makeJob(test, 2, scratch)];
    const text = await readFile(join(one.folder, 'job.json'), 'utf8');
    for (const planted of [text, text.replace('"token":1', '"token":2').replace('"run"', '"../run"')]) {
      await writeFile(join(other.folder, 'job.json'), planted);
      assert.deepEqual(
        (await listJobs(scratch)).map(({ folder }) => folder),
        [one.folder],
      );
      assert.equal(await findJob(scratch, other.identity), undefined);
    }
  });

  it('passes over folders that can be no job, and what is no folder', async (test) => {
    const scratch = await makeScratch(test);
    const { folder } = await makeJob(test, 1, scratch);
    const text = await readFile(join(folder, 'job.json'), 'utf8');
    for (const name of ['01', '1e0', 'x', '-1', '1 ']) {
      const planted = join(scratch, 'jobs/run/stage1', name);
      await mkdir(planted);
      await writeFile(join(planted, 'job.json'), text);
    }
    await symlink(folder, join(scratch, 'jobs/run/stage1/2'));
    assert.deepEqual(
      (await listJobs(scratch)).map((job) => job.folder),
      [folder],
    );
  });
});

describe('keyOf', () => {
  it('reads a key from where a folder lies, and from no other place', () => {
    assert.deepEqual(keyOf('/s', '/s/jobs/r/stage1/7'), { run: 'r', stage: 'stage1', token: 7 });
    const others = [
      '/s/jobs/r/stage1',
      '/s/jobs/r/stage1/7/out',
      '/x/jobs/r/stage1/7',
      '/s/jobs/../stage1/7',
    ];
    for (const folder of [...others, '/s/jobs/r/stage1/07']) assert.equal(keyOf('/s', folder), undefined);
  });
});

const machineSchema = z.object({ place: z.string(), boot: z.string(), machine: z.string() });
const fileSchema = z.looseObject({ machine: machineSchema });
type Machine = z.infer<typeof machineSchema>;

/** As if another machine, or this one before it was started again, had written the job.json. */
async function changeMachine(job: Job, change: (machine: Machine) => Machine): Promise<void> {
  const path = join(job.folder, 'job.json');
  const file = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  await writeFile(path, JSON.stringify({ ...file, machine: change(file.machine) }));
}
