import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { readExit, readTrainer, type Job } from '../../activities/training/jobs/job.ts';
import { isAlive, trainerPids } from '../../activities/training/jobs/processes.ts';
import {
  PYTHON,
  exitOf,
  fixture,
  logOf,
  makeJob,
  startShim,
  startTrainer,
} from '../activities/training/jobs.ts';
import { until } from '../support/until.ts';

describe('shim.py', { concurrency: 4 }, () => {
  it('records the exit status of its trainer, and when it ended', async (test) => {
    const job = await makeJob(test);
    const startedAt = Date.now();
    await startTrainer(job, 'sh', '-c', 'echo ready; exit 7');
    const { code, signal, at } = await exitOf(job);
    assert.deepEqual([code, signal], [7, null]);
    assert.ok(startedAt <= at && at <= Date.now());
  });

  it('records the signal that ended its trainer', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, PYTHON, fixture('waits.py'));
    const pid = (await readTrainer(job))?.pid;
    assert.ok(pid !== undefined);
    assert.deepEqual(await trainerPids(job), [pid]);
    process.kill(pid, 'SIGSEGV');
    const { code, signal } = await exitOf(job);
    assert.deepEqual([code, signal], [null, 'SIGSEGV']);
  });

  it('records that the command could not be started, and says why in the log', async (test) => {
    const job = await makeJob(test);
    await startShim(job, 'no-such-python', 'train_net.py');
    assert.equal((await exitOf(job)).code, 127);
    assert.match(await logOf(job), /^FileNotFoundError: .*no-such-python/);
  });

  it('writes each record whole or not at all', async (test) => {
    const job = await makeJob(test);
    await startShim(job, 'sh', '-c', 'exit 0');
    // A reader that looks all the time throws where it finds half a record.
    while ((await readExit(job)) === undefined) {
      await readTrainer(job);
      await nextTurn();
    }
    const left = readdirSync(job.folder).filter((name) => name.endsWith('.tmp'));
    assert.deepEqual(left, []);
  });

  it('keeps both streams of its trainer in one log, and gives it nothing to read', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, 'sh', '-c', 'echo out; echo err >&2; cat; echo ready');
    await exitOf(job);
    assert.equal(await logOf(job), 'out\nerr\nready\n');
  });

  it("continues after its worker's SIGKILL, and records what the worker cannot", async (test) => {
    const job = await makeJob(test);
    const worker = spawn(process.execPath, ['--input-type=module', '-e', workerThatLaunches(job)]);
    await until('the trainer to wait', async () => (await logOf(job)).includes('ready'));
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    const [pid] = await trainerPids(job);
    assert.ok(pid !== undefined, 'the trainer lives');
    process.kill(pid, 'SIGTERM');
    assert.equal((await exitOf(job)).signal, 'SIGTERM');
  });

  it('ends its trainer when it is told to end, and stays for the record', async (test) => {
    const job = await makeJob(test);
    const shim = await startTrainer(job, PYTHON, fixture('waits.py'));
    process.kill(shim, 'SIGTERM');
    assert.equal((await exitOf(job)).signal, 'SIGTERM');
  });

  it('takes its trainer with it when it is killed, though that is stopped and ignores signals', async (test) => {
    const job = await makeJob(test);
    const shim = await startTrainer(job, PYTHON, fixture('renames-itself.py'));
    const trainer = (await readTrainer(job))?.pid;
    assert.ok(trainer !== undefined);
    process.kill(trainer, 'SIGSTOP');
    process.kill(shim, 'SIGKILL');
    await until('nothing of the job to be left', async () => !(await isAlive(job)));
    assert.equal(await readExit(job), undefined);
  });

  it('starts a trainer that SIGTERM ends, though it ignores it itself', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, 'sh', '-c', 'echo ready; exec sleep 1000');
    for (const pid of await trainerPids(job)) process.kill(pid, 'SIGTERM');
    assert.equal((await exitOf(job)).signal, 'SIGTERM');
  });

  it("ends what its trainer leaves behind, in whatever session, before it records the trainer's end", async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, PYTHON, fixture('leaves-orphans.py'));
    const { code, at } = await exitOf(job);
    assert.equal(code, 3);
    assert.deepEqual(await trainerPids(job), []);
    assert.ok(Date.now() - at < 3000, 'without waiting for orphans that do not end by themselves');
  });

  it('ends the ranks of a launcher that was killed', async (test) => {
    const job = await makeJob(test);
    await startTrainer(
      job,
      'sh',
      '-c',
      `${PYTHON} ${fixture('waits.py')} & ${PYTHON} ${fixture('waits.py')} & wait`,
    );
    const launcher = (await readTrainer(job))?.pid;
    assert.ok(launcher !== undefined);
    process.kill(launcher, 'SIGKILL');
    assert.equal((await exitOf(job)).signal, 'SIGKILL');
    assert.deepEqual(await trainerPids(job), []);
  });
});

/** A worker's process that launches the waiting trainer and then only lives. */
function workerThatLaunches(job: Job): string {
  const launch = new URL('../../activities/training/launch.js', import.meta.url).href;
  const argv = JSON.stringify([fixture('waits.py')]);
  return `
    import { launchTrainer } from '${launch}';
    await launchTrainer({ python: '${PYTHON}', checkout: '/' }, ${JSON.stringify(job)}, ${argv});
    setInterval(() => undefined, 1000);`;
}
