import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { keys } from '../../../contracts/ids.ts';
import type { FailureType } from '../../../contracts/failures.ts';
import { claimHead, readHead } from '../../../activities/checkpoints/head.ts';
import { weightsPath } from '../../../activities/training/files/host-weights.ts';
import { openJob, wasLaunched, writeJobFile } from '../../../activities/training/jobs/job.ts';
import { jobProcesses } from '../../../activities/training/jobs/proc-files.ts';
import { isAlive, trainerPids } from '../../../activities/training/jobs/processes.ts';
import { torchFile } from '../../fixtures/torch-file.ts';
import { until } from '../../support/until.ts';
import { intercept, startTestS3, type TestS3 } from '../s3.ts';
import { fixture, PYTHON, startTrainer, writeScript } from './jobs.ts';
import { makeHost, pidOf, startRank, type RunningRank, type TestHost } from './ranks.ts';

describe('trainRank, when the trainer fails', { concurrency: 4 }, () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('names the failure, with host, telling line, time and the log in S3', async (test) => {
    const host = await makeHost(test, 'crashes.py', s3);
    const startedAt = Date.now();
    const { message, details } = await failureOf(startRank(host), 'TrainerConfig');
    assert.match(message, /^KeyError: "Dataset 'sa1b_32_train' is not registered! .* \(mend the setting/);
    const { at, ...facts } = details;
    assert.deepEqual(facts, {
      host: 'gpu-1',
      line: message.replace(/ \(mend the setting.*/, ''),
      iterationsRun: 0,
      log: `${keys.attempt(host.input.run, 'stage1', 1)}/gpu-1.log`,
    });
    assert.ok(typeof at === 'number' && startedAt <= at && at <= Date.now());
    assert.match((await s3.store.readText(facts.log))?.text ?? '', /^Traceback/m);
  });

  it('gives the same failure again when the answer was lost, without another try', async (test) => {
    const host = await makeHost(test, 'crashes.py', s3);
    const first = await failureOf(startRank(host), 'TrainerConfig');
    await writeFile(join(host.settings.checkout, 'projects/GLEE/train_net.py'), 'raise SystemExit(9)');
    assert.deepEqual(await failureOf(startRank(host), 'TrainerConfig'), first);
  });

  it('finds the rank that ran out of memory in what its parent prints', async (test) => {
    const host = await makeHost(test, 'runs-out-of-memory.py', s3);
    const { details } = await failureOf(startRank(host), 'OutOfMemory');
    assert.match(String(details.line), /^torch\.OutOfMemoryError: CUDA out of memory\. Tried to allocate/);
  });

  it('does not believe status 0 of a trainer that left no final weights', async (test) => {
    const host = await makeHost(test, 'exits-well.py', s3);
    const { message } = await failureOf(startRank(host), 'TrainerCrashed');
    assert.equal(message, 'the trainer ended with status 0 but left no model_final.pth');
  });

  it('does not take a trainer that has stopped for the sake of a worker before it for one that crashed', async (test) => {
    const host = await makeHost(test, 'stops-as-asked.py', s3);
    const { message } = await failureOf(startRank(host), 'TrainerKilled');
    assert.equal(message, 'the trainer has stopped as it was asked, but by a worker that is gone');
  });

  it('has the newest checkpoint in S3 before it says that the trainer was killed', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(25);
    const rank = startRank(host);
    await host.untilLog('iter: 24 ');
    process.kill(await pidOf(host), 'SIGKILL');
    const { message, details } = await failureOf(rank, 'TrainerKilled');
    assert.equal(message, 'SIGKILL ended the trainer');
    assert.equal(details.iterationsRun, 25);
    assert.equal((await head(host))?.checkpoint?.iterations, 20);
  });

  it('calls it lost when the shim was killed with its trainer', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const rank = startRank(host);
    await host.untilLog('iter: 4 ');
    const pid = await pidOf(host);
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const shim = Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
    for (const each of [shim, pid]) process.kill(each, 'SIGKILL');
    await failureOf(rank, 'TrainerLost');
  });

  it('waits for a trainer whose Python takes its time to start', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const late =
      'import os, sys, time; time.sleep(3.5 * ("shim" in sys.argv[1])); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])';
    const python = await writeScript(test, `#!/bin/sh\nexec ${PYTHON} -c '${late}' "$@"\n`);
    const slow = { ...host, settings: { ...host.settings, python } };
    assert.equal((await startRank(slow).result).final?.final, true);
  });

  it('finds a trainer that hangs, and ends it though it does not listen', async (test) => {
    const host = await makeHost(test, 'hangs.py', s3);
    const limits = { ...host.input.plan.limits, stallTimeoutMs: 700 };
    const gang = { hosts: 2, gpusPerHost: 1 };
    const rank = startRank(host, { plan: { ...host.input.plan, limits, gang } });
    const { message, details } = await failureOf(rank, 'Hang');
    assert.equal(details.ofGang, true, 'any host of the gang may be at fault');
    assert.match(
      message,
      /^no sign of progress for [\d.]+ s \(limit 0\.7 s: limits\.stallTimeout\), so .*; its last line: waiting for a rank that never comes$/,
    );
    assert.equal(details.iterationsRun, 1);
    assert.equal(await isAlive(await host.job()), false);
  });

  it('names why it was ended, also when another worker finds only the signal that did it', async (test) => {
    const host = await makeHost(test, 'exits-well.py', s3);
    const identity = { run: host.input.run, stage: 'stage1', token: host.input.token, workflowId: 'w' };
    const job = await openJob(host.settings.scratch, identity);
    await writeJobFile(job, 'launched', {});
    await writeFile(join(job.folder, 'exit.json'), JSON.stringify({ code: null, signal: 'SIGTERM', at: 7 }));
    const verdict = { type: 'LossSpike', message: 'far too high', line: 'iter: 9', at: 5, keepsLast: false };
    await writeJobFile(job, 'verdict.json', verdict);
    await writeFile(join(job.output, 'model_0000009.pth'), torchFile('led astray'));
    await writeFile(join(job.output, 'last_checkpoint'), 'model_0000009.pth');
    const { message, details } = await failureOf(startRank(host), 'LossSpike');
    assert.deepEqual([message, details.at], ['far too high', 5]);
    assert.equal(await readHead(s3.store, identity), undefined, 'what led astray is not in S3');
  });

  it('has succeeded where its trainer was to stop, and keeps what it stopped with for the next segment', async (test) => {
    const host = await makeHost(test, 'exits-well.py', s3);
    const identity = { run: host.input.run, stage: 'stage1', token: host.input.token, workflowId: 'w' };
    const job = await openJob(host.settings.scratch, identity);
    await writeJobFile(job, 'launched', {});
    await writeFile(join(job.folder, 'exit.json'), JSON.stringify({ code: 0, signal: null, at: 7 }));
    await writeFile(join(job.output, 'model_0000009.pth'), torchFile('ten iterations'));
    await writeFile(join(job.output, 'last_checkpoint'), 'model_0000009.pth');
    const { final, iterationsRun } = await startRank(host, { until: 10 }).result;
    assert.deepEqual([final?.name, final?.final, iterationsRun], ['model_0000009.pth', false, 10]);
    assert.deepEqual((await head(host))?.checkpoint, final);
    assert.ok(existsSync(weightsPath(host.settings.scratch, final?.file.sha256 ?? '')));
    assert.ok(!existsSync(join(job.output, 'model_0000009.pth')));
  });

  it('has failed where its trainer stopped earlier than it was to', async (test) => {
    const host = await makeHost(test, 'stops-as-asked.py', s3);
    const { message } = await failureOf(startRank(host, { until: 10 }), 'TrainerKilled');
    assert.match(message, /^the trainer has stopped as it was asked/);
  });

  it('trains to the end where the companion finds no place to stop its trainer', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const { final, iterationsRun } = await startRank(host, { until: 20 }).result;
    assert.deepEqual([final?.final, final?.iterations, iterationsRun], [true, 30, 30]);
  });

  it('names the failure though the host cannot record it', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const rank = startRank(host);
    const job = await host.untilLog('iter: 4 ');
    await mkdir(join(job.folder, 'outcome.json'));
    process.kill(await pidOf(host), 'SIGKILL');
    await failureOf(rank, 'TrainerKilled');
  });

  it('tells what keeps the last checkpoint from S3 when the trainer has long ended', async (test) => {
    let away = true;
    const store = intercept(s3.store, {
      before: () => (away ? Promise.reject(new Error('connect ECONNREFUSED')) : Promise.resolve()),
    });
    const host = await makeHost(test, 'trains.py', { ...s3, store });
    const rank = startRank(host);
    const note = await until('the trouble to be told', () => {
      const { phase, note } = rank.beats.at(-1) ?? {};
      return phase === 'uploading' && note;
    });
    assert.match(note, /^upload of model_final\.pth is tried again: connect ECONNREFUSED/);
    away = false;
    assert.equal((await rank.result).final?.final, true);
  });
});

describe('trainRank, when it is not wanted any more', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('ends the trainer when it is cancelled, but keeps the newest checkpoint', async (test) => {
    let away = true;
    const store = intercept(s3.store, {
      before: () => (away ? Promise.reject(new Error('not now')) : Promise.resolve()),
    });
    const host = await makeHost(test, 'trains.py', { ...s3, store });
    await host.allow(15);
    const rank = startRank(host);
    const job = await host.untilLog('iter: 14 ');
    away = false;
    rank.cancel();
    await assert.rejects(rank.result, {
      name: 'CancelledFailure',
      message: 'the trainer was ended as asked',
    });
    assert.equal(await isAlive(job), false);
    assert.equal((await head(host))?.checkpoint?.iterations, 10);
  });

  it('ends the trainer when it is cancelled while S3 does not answer', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(15);
    s3.process.kill('SIGSTOP');
    const rank = startRank(host);
    const job = await host.untilLog('iter: 14 ');
    await until('the upload to be tried', () => rank.beats.some(({ phase }) => phase === 'uploading'));
    rank.cancel();
    await until('the trainer to be gone', async () => !(await isAlive(job)), 10_000);
    s3.process.kill('SIGCONT');
    await assert.rejects(rank.result, { name: 'CancelledFailure' });
    assert.equal((await head(host))?.checkpoint?.iterations, 10);
  });

  it('ends a trainer that was cancelled before it had started', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(0);
    const rank = startRank(host);
    const job = await host.job();
    await until('the launch', () => wasLaunched(job));
    rank.cancel();
    await assert.rejects(rank.result, { name: 'CancelledFailure' });
    assert.equal(await isAlive(job), false);
  });

  it('ends a trainer that has given itself another title and is stopped, when it hangs or is cancelled', async (test) => {
    const [hanging, cancelled] = [
      await makeHost(test, 'renames-itself.py', s3),
      await makeHost(test, 'renames-itself.py', s3),
    ];
    const limits = { ...hanging.input.plan.limits, stallTimeoutMs: 700 };
    const ranks = [startRank(hanging, { plan: { ...hanging.input.plan, limits } }), startRank(cancelled)];
    for (const host of [hanging, cancelled]) {
      await host.untilLog('ready');
      process.kill(await pidOf(host), 'SIGSTOP');
    }
    ranks[1]?.cancel();
    await assert.rejects(ranks[1]?.result ?? Promise.resolve(), { name: 'CancelledFailure' });
    await assert.rejects(ranks[0]?.result ?? Promise.resolve(), { type: 'Hang' });
    for (const host of [hanging, cancelled]) {
      const stat = await readFile(`/proc/${await pidOf(host)}/stat`, 'utf8').catch(() => ') Z ');
      assert.match(stat, /\) Z /, 'it is gone, or waits for its parent to notice');
    }
  });

  it('calls a trainer lost, and ends it, whose shim was killed', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const rank = startRank(host);
    const job = await host.untilLog('iter: 4 ');
    const shim = (await jobProcesses()).find(({ folder, isShim }) => folder === job.folder && isShim);
    assert.ok(shim !== undefined);
    process.kill(shim.pid, 'SIGKILL');
    await failureOf(rank, 'TrainerLost');
    assert.equal(await isAlive(job), false);
  });

  it('still names what the trainer had failed with when a peer was quicker to complain', async (test) => {
    let away = true;
    const store = intercept(s3.store, {
      before: () => (away ? Promise.reject(new Error('not now')) : Promise.resolve()),
    });
    const host = await makeHost(test, 'trains.py', { ...s3, store });
    await host.allow(15);
    const rank = startRank(host);
    await host.untilLog('iter: 14 ');
    process.kill(await pidOf(host), 'SIGKILL');
    await until('its end to be seen', () =>
      rank.beats.some(({ phase, note }) => phase === 'uploading' && note),
    );
    away = false;
    rank.cancel();
    const { details } = await failureOf(rank, 'TrainerKilled');
    assert.equal(details.iterationsRun, 15);
    assert.equal((await head(host))?.checkpoint?.iterations, 10);
  });

  it('ends its trainer when S3 says that a newer attempt has the stage', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const rank = startRank(host);
    const job = await host.untilLog('iter: 4 ');
    await claimHead(s3.store, { run: host.input.run, stage: 'stage1' }, 2);
    await host.allow(15);
    await failureOf(rank, 'Superseded');
    assert.equal(await isAlive(job), false);
    assert.deepEqual(await head(host), { token: 2, checkpoint: null });
  });
});

describe('trainRank, before it starts', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it("first ends an older attempt's trainer that is still on the host", async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const identity = { run: host.input.run, stage: 'stage1', workflowId: 'w' };
    const older = await openJob(host.settings.scratch, { ...identity, token: 1 });
    await startTrainer(older, PYTHON, fixture('waits.py'));
    await startRank(host, { token: 2 }).result;
    assert.deepEqual(await trainerPids(older), []);
  });

  it("does not touch another stage's trainer", async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const identity = { run: host.input.run, stage: 'stage2', workflowId: 'w' };
    const other = await openJob(host.settings.scratch, { ...identity, token: 1 });
    await startTrainer(other, PYTHON, fixture('waits.py'));
    await startRank(host, { token: 2 }).result;
    assert.equal((await trainerPids(other)).length, 1);
  });

  it('starts nothing when a newer attempt has come to the host', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const identity = { run: host.input.run, stage: 'stage1', workflowId: 'w' };
    await openJob(host.settings.scratch, { ...identity, token: 3 });
    await failureOf(startRank(host, { token: 2 }), 'Superseded');
    assert.equal(await wasLaunched(await host.job(2)), false);
  });

  it('starts nothing from weights that are not the planned ones', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await writeFile(join(host.settings.checkout, 'weights.pth'), 'initial WEIGHTS');
    await failureOf(startRank(host), 'WrongWeights');
    assert.equal(await wasLaunched(await host.job()), false);
  });

  it('says which Python does not start', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    const settings = { ...host.settings, python: '/no/such/python' };
    const { message } = await failureOf(startRank({ ...host, settings }), 'MissingFile');
    assert.match(message, /^GLEE_PYTHON '\/no\/such\/python' does not start: .*ENOENT/);
  });

  it('says that the disk is full, and where', async (test) => {
    const full = intercept(s3.store, {
      before: ({ operation }) => {
        if (operation !== 'download') return Promise.resolve();
        return Promise.reject(
          Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }),
        );
      },
    });
    const host = await makeHost(test, 'trains.py', { ...s3, store: full });
    const file = { key: 'k', sha256: 'a'.repeat(64), sizeBytes: 1 };
    const artifact = { name: 'r/stage1', bucket: 'glee', iterations: 1, configFile: 'x', ...file };
    const rank = startRank(host, { weights: { kind: 'artifact', artifact } });
    const { message, details } = await failureOf(rank, 'DiskFull');
    assert.match(
      message,
      /^no space left on gpu-1: \d.* [MGT]B free below GLEE_SCRATCH \(.*\/glee-scratch-.*\), and no checkpoint is there to be removed: .*ENOSPC/,
    );
    assert.equal(details.host, 'gpu-1');
  });

  it('gives its trainer no key to S3, Temporal or Hugging Face', async (test) => {
    const secrets = {
      AWS_SECRET_ACCESS_KEY: 's',
      AWS_SESSION_TOKEN: 's',
      TEMPORAL_API_KEY: 's',
      HF_TOKEN: 's',
      GITHUB_TOKEN: 's',
      WANDB_API_KEY: 's',
    };
    Object.assign(process.env, secrets, { TORCH_TEST_HARMLESS: 'kept' });
    test.after(() => {
      for (const name of [...Object.keys(secrets), 'TORCH_TEST_HARMLESS'])
        Reflect.deleteProperty(process.env, name);
    });
    const host = await makeHost(test, 'shows-environment.py', s3);
    await failureOf(startRank(host), 'TrainerCrashed');
    const path = join(host.settings.checkout, 'environment.json');
    assert.ok(existsSync(path));
    const environment = new Map(
      Object.entries(z.record(z.string(), z.string()).parse(JSON.parse(await readFile(path, 'utf8')))),
    );
    const kept = [...environment.keys()].filter((name) =>
      /^(AWS_|TEMPORAL_|HF_TOKEN|GITHUB_|WANDB_)/.test(name),
    );
    assert.deepEqual(kept, []);
    assert.equal(environment.get('TORCH_TEST_HARMLESS'), 'kept');
    assert.equal(environment.get('PYTHONUNBUFFERED'), '1');
    assert.equal(environment.get('GLEE_JOB'), (await host.job()).folder);
  });
});

interface Failed {
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The named failure that the rank ends with, which Temporal must not retry by itself. */
async function failureOf(rank: RunningRank, type: FailureType): Promise<Failed> {
  const error: unknown = await rank.result.then(
    () => assert.fail('the rank did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ApplicationFailure, String(error));
  assert.equal(error.type, type, error.message);
  assert.equal(error.nonRetryable, true);
  const [first]: unknown[] = error.details ?? [];
  return { message: error.message, details: Object.fromEntries(Object.entries(first ?? {})) };
}

function head({ store, input }: TestHost) {
  return readHead(store, { run: input.run, stage: 'stage1' });
}
