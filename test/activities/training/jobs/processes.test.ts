import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { execa } from 'execa';
import { launchTrainer } from '../../../../activities/training/launch.ts';
import { readTrainer, type Job } from '../../../../activities/training/jobs/job.ts';
import {
  endTrainer,
  isAlive,
  livingTrainers,
  trainerPids,
} from '../../../../activities/training/jobs/processes.ts';
import { packageRoot } from '../../../../planning/environment/package-root.ts';
import { until } from '../../../support/until.ts';
import { PYTHON, exitOf, fixture, logOf, makeJob, makeScratch, startTrainer, writeScript } from '../jobs.ts';

describe('trainerPids', { concurrency: 4 }, () => {
  it('finds a trainer behind the shell that launch.py starts it with', async (test) => {
    const job = await makeJob(test);
    await startTrainer(
      job,
      ...[PYTHON, join(packageRoot, 'sandbox/glee/launch.py')],
      ...['--np', '1', '--launch', fixture('waits.py')],
    );
    const trainer = Number(/ready (\d+)/.exec(await logOf(job))?.[1]);
    const pids = await trainerPids(job);
    assert.ok(pids.includes(trainer));
    assert.ok(pids.length >= 2, 'launch.py is of the job as well');
  });

  it('finds what left for a session of its own', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, 'sh', '-c', 'setsid sleep 1000 & echo ready; wait');
    // One that is just being executed shows itself a moment later.
    await until('both to be found', async () => (await trainerPids(job)).length === 2);
  });

  it('finds what has given itself another title, and its environment with it', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, PYTHON, fixture('renames-itself.py'));
    const trainer = (await readTrainer(job))?.pid;
    assert.ok(trainer !== undefined);
    assert.ok(!(await readFile(`/proc/${trainer}/environ`, 'utf8')).includes(job.folder));
    assert.deepEqual(await trainerPids(job), [trainer]);
  });

  it('does not count the shim, nor the trainers of other jobs', async (test) => {
    const scratch = await makeScratch(test);
    const [one, other] = [await makeJob(test, 1, scratch), await makeJob(test, 2, scratch)];
    const shim = await startTrainer(one, PYTHON, fixture('waits.py'));
    await startTrainer(other, PYTHON, fixture('waits.py'));
    const pids = await trainerPids(one);
    assert.equal(pids.length, 1);
    assert.ok(!pids.includes(shim));
    const living = await livingTrainers();
    assert.deepEqual([living.has(one.folder), living.has(other.folder)], [true, true]);
  });

  it('does not take a job whose folder only begins the same for its own', async (test) => {
    const scratch = await makeScratch(test);
    const [one, eleven] = [await makeJob(test, 1, scratch), await makeJob(test, 11, scratch)];
    await startTrainer(eleven, PYTHON, fixture('waits.py'));
    assert.deepEqual(await trainerPids(one), []);
    assert.equal(await isAlive(one), false);
  });
});

describe('endTrainer', { concurrency: 4 }, () => {
  it('ends a trainer that listens with SIGTERM', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, PYTHON, fixture('waits.py'));
    await endTrainer(job);
    assert.equal(await isAlive(job), false);
    assert.equal((await exitOf(job)).signal, 'SIGTERM');
  });

  it('ends one that ignores SIGTERM with SIGKILL, and all that it started', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, 'sh', fixture('ignores-sigterm.sh'));
    await endTrainer(job);
    assert.deepEqual(await trainerPids(job), []);
    assert.equal(await isAlive(job), false);
  });

  it('ends what its parent has left behind in other sessions', async (test) => {
    const job = await makeJob(test);
    const shim = await startTrainer(job, 'sh', '-c', 'setsid sleep 1000 & echo ready; wait');
    process.kill(shim, 'SIGKILL');
    const [first] = await trainerPids(job);
    assert.ok(first !== undefined);
    process.kill(first, 'SIGKILL');
    await endTrainer(job);
    assert.deepEqual(await trainerPids(job), []);
  });

  it('ends one that has given itself another title, with what it has started, though both are stopped', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, PYTHON, fixture('renames-itself.py'), 'leaves');
    const pids = await until('both to be found', async () => {
      const found = await trainerPids(job);
      return found.length === 2 && found;
    });
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    await endTrainer(job);
    assert.deepEqual(pids.filter(runs), []);
  });

  it('ends what a killed shim has left behind, though only its output still shows whose it is', async (test) => {
    const job = await makeJob(test);
    const shim = await startTrainer(job, PYTHON, fixture('renames-itself.py'), 'leaves');
    process.kill(shim, 'SIGKILL');
    const trainer = (await readTrainer(job))?.pid;
    assert.ok(trainer !== undefined);
    // The kernel ends the trainer with its shim, and knows nothing of the rank that it has started.
    await until('the trainer to be gone', () => !runs(trainer));
    const [rank, ...more] = await trainerPids(job);
    assert.ok(rank !== undefined && more.length === 0);
    await endTrainer(job);
    assert.equal(runs(rank), false);
  });

  it('ends what only descends from the trainer, also when those in between are gone since it was seen', async (test) => {
    const job = await makeJob(test);
    const quiet = `${PYTHON} ${fixture('renames-itself.py')} >/dev/null 2>&1 & echo ready; wait`;
    const shim = await startTrainer(job, 'sh', '-c', quiet);
    const shell = (await readTrainer(job))?.pid;
    const renamed = await until('it to show no mark', async () => {
      const other = (await trainerPids(job)).find((pid) => pid !== shell);
      if (other === undefined) return undefined;
      return !(await readFile(`/proc/${other}/environ`, 'utf8')).includes(job.folder) && other;
    });
    process.kill(shim, 'SIGKILL');
    await until('the shell to be gone', () => !runs(shell ?? 0));
    assert.deepEqual(await trainerPids(job), [renamed]);
    await endTrainer(job);
    assert.equal(runs(renamed), false);
  });

  it('keeps a shim that is just starting from starting a trainer afterwards', async (test) => {
    const job = await makeJob(test);
    await launchTrainer({ python: await slowPython(test), checkout: job.folder }, job, [fixture('waits.py')]);
    await endTrainer(job);
    assert.equal(await isAlive(job), false);
    assert.ok(!existsSync(join(job.folder, 'trainer.json')));
  });

  it('returns at once when there is nothing to end, and may be called twice at the same time', async (test) => {
    const job = await makeJob(test);
    await endTrainer(job);
    await startTrainer(job, PYTHON, fixture('waits.py'));
    await Promise.all([endTrainer(job), endTrainer(job)]);
    assert.equal(await isAlive(job), false);
  });

  it('touches no one else: a process that has the same command line but no mark lives on', async (test) => {
    const job = await makeJob(test);
    const stranger = spawn(PYTHON, [fixture('waits.py')], { stdio: 'ignore' });
    test.after(() => stranger.kill('SIGKILL'));
    await once(stranger, 'spawn');
    await startTrainer(job, PYTHON, fixture('waits.py'));
    await endTrainer(job);
    assert.equal(stranger.exitCode ?? stranger.signalCode, null);
  });
});

describe('livingTrainers', () => {
  it('finds them, or fails, where there are more processes than it may open files', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, 'sh', '-c', 'for i in $(seq 100); do sleep 1000 & done; echo ready; wait');
    const look = new URL('../../../../activities/training/jobs/processes.js', import.meta.url).href;
    const script = `
      import { livingTrainers } from '${look}';
      import { closeSync, openSync } from 'node:fs';
      console.log((await livingTrainers()).get('${job.folder}').length);
      let last; try { for (;;) last = openSync('/dev/null'); } catch { closeSync(last); }
      await livingTrainers().then(() => console.log('knows'), ({ code }) => console.log(code));`;
    const command = `ulimit -n 80; exec ${process.execPath} --input-type=module -e "$0"`;
    const { stdout } = await execa('sh', ['-c', command, script]);
    assert.deepEqual(stdout.split('\n'), ['101', 'EMFILE']);
  });
});

describe('isAlive', () => {
  it('is true from the launch on, before there is a trainer', async (test) => {
    const job = await makeJob(test);
    await launch(job, test);
    await until('the shim to be seen', () => isAlive(job));
    assert.deepEqual(await trainerPids(job), []);
  });

  it('is false once the shim has written down how the trainer ended', async (test) => {
    const job = await makeJob(test);
    await startTrainer(job, 'sh', '-c', 'echo ready');
    await exitOf(job);
    await until('the shim to end', async () => !(await isAlive(job)), 5000);
  });
});

/** Neither gone nor a zombie, which is whoever's that does not reap it. */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function launch(job: Job, test: TestContext): Promise<void> {
  await launchTrainer({ python: await slowPython(test), checkout: job.folder }, job, [fixture('waits.py')]);
}

/** A Python that takes its time to start, as one on a network file system does. */
function slowPython(test: TestContext): Promise<string> {
  const late =
    'import os, sys, time; time.sleep(2); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])';
  return writeScript(test, `#!/bin/sh\nexec ${PYTHON} -c '${late}' "$@"\n`);
}
