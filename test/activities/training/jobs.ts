/** @module Jobs on this machine for tests: real shims, real trainers, gone when the test ends. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { openJob, readExit, type Job, type TrainerExit } from '../../../activities/training/jobs/job.ts';
import { endTrainer, jobMark, livingTrainers } from '../../../activities/training/jobs/processes.ts';
import { trainerEnvironment } from '../../../planning/environment/trainer-environment.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { until } from '../../support/until.ts';

/** The interpreter itself: version managers put a slow shim before it. */
export const PYTHON = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).trim();

/** Of all jobs of the tests. */
export const ORIGIN = { cluster: 'test', namespace: 'test', storage: 's3://test/' };

/** A scratch folder; what runs of its jobs is ended with the test. */
export async function makeScratch(test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'glee-scratch-'));
  test.after(async () => {
    for (const job of (await livingTrainers()).keys())
      if (job.startsWith(`${folder}/`)) await endTrainer({ folder: job });
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

export async function makeJob(test: TestContext, token = 1, scratch?: string): Promise<Job> {
  const folder = scratch ?? (await makeScratch(test));
  return openJob(folder, { run: 'run', stage: 'stage1', token, workflowId: 'run/stage1' });
}

/** Path of one of the tiny programs in test/fixtures/trainers. */
export function fixture(name: string): string {
  return join(packageRoot, 'test/fixtures/trainers', name);
}

/** Starts a command as the job's trainer, and returns the shim's pid once the trainer says that it is ready. */
export async function startTrainer(job: Job, ...command: readonly string[]): Promise<number> {
  const shim = await startShim(job, ...command);
  await until(`${command.join(' ')} to be ready`, async () => (await logOf(job)).includes('ready'));
  return shim;
}

/** As a worker does it: in a session of its own, marked as the job's. */
export async function startShim(job: Job, ...command: readonly string[]): Promise<number> {
  const shim = spawn(PYTHON, [join(packageRoot, 'trainer/shim.py'), job.folder, job.folder, ...command], {
    detached: true,
    stdio: 'ignore',
    env: trainerEnvironment(jobMark(job)),
  });
  await once(shim, 'spawn');
  assert.ok(shim.pid !== undefined);
  return shim.pid;
}

export async function exitOf(job: Job): Promise<TrainerExit> {
  return until('the shim to record the exit', () => readExit(job));
}

/** A checkout whose train_net.py is a fixture, with weights and a config to begin from. */
export async function makeFakeCheckout(folder: string, name: string): Promise<string> {
  const checkout = join(folder, 'glee');
  await mkdir(join(checkout, 'projects/GLEE'), { recursive: true });
  await cp(fixture(name), join(checkout, 'projects/GLEE/train_net.py'));
  await writeFile(join(checkout, 'weights.pth'), 'initial weights');
  return checkout;
}

/** What the trainer has printed. */
export async function logOf(job: Job): Promise<string> {
  return readFile(job.log, 'utf8').catch(() => '');
}

/** An executable script in a folder of its own. */
export async function writeScript(test: TestContext, text: string): Promise<string> {
  const path = join(await temporaryFolder(test), 'script');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await chmod(path, 0o755);
  return path;
}
