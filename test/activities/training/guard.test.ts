import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import { claimHead } from '../../../activities/checkpoints/head.ts';
import { guardOnce, guardTrainers, type GuardDependencies } from '../../../activities/training/guard.ts';
import { openJob, type Job } from '../../../activities/training/jobs/job.ts';
import { isAlive, trainerPids } from '../../../activities/training/jobs/processes.ts';
import { Supervisors } from '../../../activities/training/supervisors.ts';
import { until } from '../../support/until.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { fixture, makeScratch, ORIGIN, PYTHON, startTrainer } from './jobs.ts';

const running = () => Promise.resolve(true);
const closed = () => Promise.resolve(false);

describe('guardOnce', { concurrency: 4 }, () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  let runs = 0;

  /** A host with a trainer that no one watches; its attempt is the newest. */
  async function makeHost(test: TestContext): Promise<{ job: Job; guard: GuardDependencies }> {
    runs += 1;
    const run = `run-${runs}`;
    const scratch = await makeScratch(test);
    const identity = { run, stage: 'stage1', token: 1, workflowId: `${run}/stage1`, origin: ORIGIN };
    const job = await openJob(scratch, identity);
    await claimHead(s3.store, { run, stage: 'stage1' }, 1);
    await startTrainer(job, PYTHON, fixture('waits.py'));
    const log = pino({ level: 'silent' });
    const parts = { store: s3.store, supervisors: new Supervisors(), isRunning: running };
    const guard = { scratch, ...parts, origin: ORIGIN, log };
    return { job, guard };
  }

  it('leaves a trainer whose workflow runs and whose attempt is the newest', async (test) => {
    const { job, guard } = await makeHost(test);
    const asked: string[] = [];
    const isRunning = (workflowId: string) => {
      asked.push(workflowId);
      return running();
    };
    await guardOnce({ ...guard, isRunning });
    assert.deepEqual(asked, [job.identity.workflowId]);
    assert.equal((await trainerPids(job)).length, 1);
  });

  it('ends a trainer whose workflow is closed', async (test) => {
    const { job, guard } = await makeHost(test);
    await guardOnce({ ...guard, isRunning: closed });
    assert.equal(await isAlive(job), false);
  });

  it('ends a trainer whose stage a newer attempt has', async (test) => {
    const { job, guard } = await makeHost(test);
    await claimHead(s3.store, job.identity, 2);
    await guardOnce(guard);
    assert.equal(await isAlive(job), false);
  });

  it('leaves a trainer of which nothing can be learnt: that proves nothing', async (test) => {
    const { job, guard } = await makeHost(test);
    await guardOnce({ ...guard, isRunning: () => Promise.reject(new Error('Temporal is away')) });
    await guardOnce({ ...guard, store: s3.storeOn('no-such-bucket') });
    assert.equal((await trainerPids(job)).length, 1);
  });

  it('believes neither another Temporal nor another S3: to them, every run looks over', async (test) => {
    const { job, guard } = await makeHost(test);
    await claimHead(s3.store, job.identity, 2);
    for (const other of [{ cluster: 'new' }, { namespace: 'prod 1' }, { storage: 's3://other/' }])
      await guardOnce({ ...guard, isRunning: closed, origin: { ...ORIGIN, ...other } });
    assert.equal((await trainerPids(job)).length, 1);
    await guardOnce({ ...guard, isRunning: closed });
    assert.equal(await isAlive(job), false);
  });

  it('leaves a trainer whose job.json is gone, or names another job', async (test) => {
    const { job, guard } = await makeHost(test);
    const record = join(job.folder, 'job.json');
    const text = await readFile(record, 'utf8');
    await rm(record);
    await guardOnce({ ...guard, isRunning: closed });
    await writeFile(record, text.replace('"stage1"', '"stage2"'));
    await guardOnce({ ...guard, isRunning: closed });
    assert.equal((await trainerPids(job)).length, 1);
  });

  it('leaves a trainer that someone watches, whose business it is', async (test) => {
    const { job, guard } = await makeHost(test);
    const supervision = await guard.supervisors.takeOver(job.folder);
    await guardOnce({ ...guard, isRunning: closed });
    assert.equal((await trainerPids(job)).length, 1);
    supervision.end();
    await guardOnce({ ...guard, isRunning: closed });
    assert.equal(await isAlive(job), false);
  });

  it('leaves a trainer that was taken up while the guard was asking', async (test) => {
    const { job, guard } = await makeHost(test);
    const isRunning = async () => {
      await guard.supervisors.takeOver(job.folder);
      return false;
    };
    await guardOnce({ ...guard, isRunning });
    assert.equal((await trainerPids(job)).length, 1);
  });

  it('asks about nothing when nothing runs', async (test) => {
    const { guard } = await makeHost(test);
    await guardOnce({ ...guard, isRunning: closed });
    const isRunning = () => assert.fail('nothing is left to ask about');
    await guardOnce({ ...guard, isRunning });
  });

  it('is not kept from one job by what it cannot read of another', async (test) => {
    const { job, guard } = await makeHost(test);
    for (const [token, text] of [
      ['0', 'not JSON'],
      ['2', '{"run": 1}'],
    ] as const) {
      const folder = join(guard.scratch, 'jobs', job.identity.run, 'stage1', token);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'job.json'), text);
    }
    await writeFile(join(guard.scratch, 'jobs/README'), 'a file, not a run');
    await guardOnce({ ...guard, isRunning: closed });
    assert.equal(await isAlive(job), false);
  });

  it('goes round until it is told to stop', async (test) => {
    const { job, guard } = await makeHost(test);
    const stop = new AbortController();
    const guarding = guardTrainers({ ...guard, isRunning: closed }, stop.signal);
    await until('the trainer to be ended', async () => !(await isAlive(job)));
    stop.abort();
    await guarding;
  });

  it('looks at once when a job is left unwatched, and not only in its next round', async (test) => {
    const { job, guard } = await makeHost(test);
    const supervisors = new AskedSupervisors();
    const supervision = await supervisors.takeOver(job.folder);
    const stop = new AbortController();
    const guarding = guardTrainers({ ...guard, supervisors, isRunning: closed }, stop.signal);
    await until('its first round to have passed the job over', () => supervisors.asked);
    const letGoAt = Date.now();
    supervision.end();
    await until('the trainer to be ended', async () => !(await isAlive(job)));
    assert.ok(Date.now() - letGoAt < 4000, 'before the next round of 5 s');
    stop.abort();
    await guarding;
  });
});

class AskedSupervisors extends Supervisors {
  asked = false;

  override isWatched(jobFolder: string): boolean {
    this.asked = true;
    return super.isWatched(jobFolder);
  }
}
