import assert from 'node:assert/strict';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { keys } from '../../../contracts/ids.ts';
import { readHead } from '../../../activities/checkpoints/head.ts';
import { COVERAGE_UNKNOWN } from '../../../activities/training/progress/weights-coverage.ts';
import { readExit } from '../../../activities/training/jobs/job.ts';
import { isAlive, trainerPids } from '../../../activities/training/jobs/processes.ts';
import { Supervisors } from '../../../activities/training/supervisors.ts';
import { until } from '../../support/until.ts';
import { recording, startTestS3, type TestS3 } from '../s3.ts';
import { logOf, PYTHON, writeScript } from './jobs.ts';
import { makeHost, pidOf, startRank } from './ranks.ts';

describe('trainRank', { concurrency: 4 }, () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('trains from the initial weights to the end, with all that is to last in S3', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const { run } = host.input;
    const result = await startRank(host).result;
    assert.deepEqual([result.host, result.iterationsRun], ['gpu-1', 30]);
    assert.deepEqual([result.final?.final, result.final?.iterations], [true, 30]);
    assert.deepEqual(await readHead(s3.store, { run, stage: 'stage1' }), {
      token: 1,
      checkpoint: result.final,
    });
    const weights = await s3.store.readText(result.final?.file.key ?? '');
    assert.match(weights?.text ?? '', /initial weights after 30/);
    const attempt = keys.attempt(run, 'stage1', 1);
    assert.match((await s3.store.readText(`${attempt}/gpu-1.log`))?.text ?? '', /iter: 29 /);
    assert.match((await s3.store.readText(`${attempt}/output/metrics.json`))?.text ?? '', /"iteration": 29/);
  });

  it('leaves no evaluation to a trainer whose checkpoints are evaluated after it', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const { plan } = host.input;
    const overrides = { ...plan.overrides, DATASETS: { TEST: ['raccoon_val'] } };
    await startRank(host, { plan: { ...plan, overrides, evaluatedAfter: true } }).result;
    assert.match(await readFile((await host.job()).config, 'utf8'), /^ {2}TEST: \(\)$/m);
  });

  it('keeps on the host only what the next stage and a person may want', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const { final } = await startRank(host).result;
    const job = await host.job();
    assert.deepEqual((await readdir(job.output)).sort(), ['last_checkpoint', 'metrics.json']);
    const kept = await readFile(
      join(host.settings.scratch, 'weights', `${final?.file.sha256 ?? ''}.pth`),
      'utf8',
    );
    assert.match(kept, /initial weights after 30/);
    assert.equal(await isAlive(job), false);
  });

  it("gives the trainer its settings in a file, on top of the user's config", async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await startRank(host).result;
    const job = await host.job();
    const config = await readFile(job.config, 'utf8');
    const { checkout } = host.settings;
    assert.match(config, new RegExp(`^_BASE_: "?${checkout}/projects/GLEE/configs/stage1.yaml"?$`, 'm'));
    assert.match(config, /^ {2}MAX_ITER: 30$/m);
    assert.match(config, new RegExp(`^ {2}WEIGHTS: "?${checkout}/weights.pth"?$`, 'm'));
    assert.match(config, new RegExp(`^OUTPUT_DIR: "?${job.output}"?$`, 'm'));
  });

  it('tells how far it is: pid, iteration, memory, what S3 has, and what it cannot know', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(15);
    const { beats, result } = startRank(host);
    const beat = await until('the first checkpoint to be safe', () =>
      beats.find(({ committedIterations, phase }) => committedIterations === 10 && phase === 'training'),
    );
    assert.deepEqual(
      [beat.pid, beat.iteration, beat.memoryMiB, beat.note],
      [await pidOf(host), 15, 123, COVERAGE_UNKNOWN],
    );
    await host.allow();
    await result;
    assert.equal(beats[0]?.phase, 'preparing');
    assert.equal(beats.at(-1)?.phase, 'uploading');
  });

  it('has the declared data sets where the companion reads them, before the trainer is there', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const own = { name: 'own_train', annotations: 'a.json', images: 'a', task: 'own' };
    const datasets = [{ ...own, fewShot: { shots: 1, seed: 3 } }];
    const { result } = startRank(host, { plan: { ...host.input.plan, datasets } });
    const { folder } = await host.untilLog('iter: 4 ');
    const file = join(folder, 'datasets.json');
    assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), datasets);
    const environment = await readFile(`/proc/${await pidOf(host)}/environ`, 'utf8');
    assert.ok(environment.split('\0').includes(`GLEE_DATASETS_FILE=${file}`));
    await host.allow();
    await result;
  });

  it('continues from the checkpoint that it is given, and counts only what it ran', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(10);
    const first = startRank(host);
    const resumeFrom = await until('a checkpoint', async () => {
      return (await readHead(s3.store, { run: host.input.run, stage: 'stage1' }))?.checkpoint;
    });
    first.cancel();
    await assert.rejects(first.result, { name: 'CancelledFailure' });
    await host.allow();
    const { final, iterationsRun } = await startRank(host, { token: 2, attempt: 2, resumeFrom }).result;
    assert.equal(iterationsRun, 20);
    const stored = await s3.store.readText(final?.file.key ?? '');
    assert.match(stored?.text ?? '', /initial weights after 30/);
    assert.match(await logOf(await host.job(2)), /Starting training from iteration 10\n/);
    assert.ok(!(await readdir((await host.job(1)).output)).some((name) => name.endsWith('.pth')));
  });

  it("leaves the checkpoints to rank 0's host", async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(15);
    const { store, requests } = recording(s3.store);
    const plan = { ...host.input.plan, gang: { hosts: 2, gpusPerHost: 1 } };
    const { result, beats } = startRank({ ...host, store }, { machineRank: 1, plan });
    await host.untilLog('iter: 14 ');
    await until('it to be looked at again', () => beats.some(({ iteration }) => iteration === 15));
    await host.allow();
    assert.equal((await result).final, null);
    assert.match(
      await logOf(await host.job()),
      /--num-machines 2 --machine-rank 1 --dist-url tcp:\/\/127\.0\.0\.1:29500/,
    );
    assert.deepEqual(
      requests.filter((request) => /model_|head/.test(request)),
      [],
    );
  });

  it("trains a gang of several hosts with GLEE_PYTHON, whatever 'python3' is on the PATH", async (test) => {
    const { PATH = '' } = process.env;
    const other = await writeScript(test, '#!/bin/sh\necho no module named torch >&2; exit 1\n');
    const folder = dirname(other);
    await rename(other, join(folder, 'python3'));
    process.env.PATH = `${folder}:${PATH}`;
    test.after(() => (process.env.PATH = PATH));
    const host = await makeHost(test, 'trains.py', s3);
    const plan = { ...host.input.plan, gang: { hosts: 2, gpusPerHost: 1 } };
    assert.equal((await startRank(host, { plan }).result).final?.final, true);
    const log = await logOf(await host.job());
    assert.ok(log.includes(`trained by ${PYTHON} with --num-gpus 1 --num-machines 2 --machine-rank 0`), log);
  });

  it('gives the same answer again, and trains nothing, when its answer was lost', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const first = await startRank(host).result;
    await rm(host.settings.checkout, { recursive: true });
    const { store, requests } = recording(s3.store);
    assert.deepEqual(await startRank({ ...host, store }).result, first);
    assert.deepEqual(requests, []);
  });
});

describe('trainRank, when its worker goes', { concurrency: 4 }, () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('lets the trainer live when the worker stops, and the next worker adopts it', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(15);
    const first = startRank(host);
    await host.untilLog('iter: 14 ');
    const pid = await pidOf(host);
    first.shutDown();
    await assert.rejects(first.result, { type: 'WorkerShutdown', nonRetryable: false });
    assert.deepEqual(await trainerPids(await host.job()), [pid]);

    const second = startRank({ ...host, supervisors: new Supervisors() });
    await until('the second to see it', () => second.beats.some((beat) => beat.pid === pid));
    await host.allow();
    assert.equal((await second.result).iterationsRun, 30);
    assert.equal(await pidOf(host), pid);
    const lines = await readFile(join((await host.job()).output, 'metrics.json'), 'utf8');
    assert.equal(lines.trim().split('\n').length, 30, 'no iteration is done twice');
  });

  it('finds out how a trainer ended that no one watched', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const first = startRank(host);
    await host.untilLog('iter: 4 ');
    first.shutDown();
    await assert.rejects(first.result, { type: 'WorkerShutdown' });
    await host.allow();
    const job = await host.job();
    await until('the trainer to end', () => readExit(job));
    const { final } = await startRank({ ...host, supervisors: new Supervisors() }).result;
    assert.equal(final?.iterations, 30);
  });

  it('hands the trainer over within the same worker, when Temporal gives the activity out again', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(15);
    const first = startRank(host);
    await host.untilLog('iter: 14 ');
    const pid = await pidOf(host);
    const second = startRank(host);
    await assert.rejects(first.result, { name: 'CancelledFailure' });
    await host.allow();
    assert.equal((await second.result).final?.final, true);
    assert.equal(await pidOf(host), pid);
    assert.ok(!host.supervisors.isWatched((await host.job()).folder));
  });

  it('lets the trainer live when Temporal has given the activity up', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const first = startRank(host);
    await host.untilLog('iter: 4 ');
    first.forget();
    await assert.rejects(first.result, { name: 'CancelledFailure' });
    assert.equal((await trainerPids(await host.job())).length, 1);
    assert.ok(!host.supervisors.isWatched((await host.job()).folder), "it is the guard's from here on");
  });

  it('adopts a trainer of whose folder a tidier of old files has left nothing, and starts no second one', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const first = startRank(host);
    const job = await host.untilLog('iter: 4 ');
    const pid = await pidOf(host);
    first.shutDown();
    await assert.rejects(first.result, { type: 'WorkerShutdown' });
    for (const name of await readdir(job.folder)) if (name !== 'out') await rm(join(job.folder, name));
    const second = startRank({ ...host, supervisors: new Supervisors() });
    await until('it to be watched again', () => second.beats.some(({ iteration }) => iteration === 5));
    assert.deepEqual(await trainerPids(job), [pid]);
    await host.allow();
    assert.equal((await second.result).final?.final, true);
  });

  it('ends an adopted trainer when it is cancelled, though its folder was tidied', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const first = startRank(host);
    const job = await host.untilLog('iter: 4 ');
    first.shutDown();
    await assert.rejects(first.result, { type: 'WorkerShutdown' });
    for (const name of ['launched', 'trainer.json']) await rm(join(job.folder, name));
    const second = startRank({ ...host, supervisors: new Supervisors() });
    second.cancel();
    await assert.rejects(second.result, { name: 'CancelledFailure' });
    assert.equal(await isAlive(job), false);
  });

  it('calls a trainer lost whose launch was cut off, instead of starting a second one', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const first = startRank(host);
    const job = await host.untilLog('iter: 4 ');
    first.shutDown();
    await assert.rejects(first.result, { type: 'WorkerShutdown' });
    // A worker that is killed between its mark and the start of the shim leaves just this.
    for (const pid of await trainerPids(job)) process.kill(pid, 'SIGKILL');
    await until('the job to be dead', async () => !(await isAlive(job)));
    for (const name of ['exit.json', 'trainer.json', 'trainer.log']) await rm(join(job.folder, name));
    const second = startRank({ ...host, supervisors: new Supervisors() });
    await assert.rejects(second.result, { type: 'TrainerLost' });
    assert.equal(await isAlive(job), false);
  });
});
