/**
 * @module Workers that no one starts again, so that a test sees how they end. The stack's own are kept alive.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { poolWorkflowId } from '../../contracts/ids.ts';
import type { HostView, PoolView } from '../../contracts/pool-view.ts';
import { listJobs } from '../../activities/training/jobs/job.ts';
import { endTrainer } from '../../activities/training/jobs/processes.ts';
import { foreignServiceVariables } from '../../planning/environment/env.ts';
import { dyingWithUs } from '../../sandbox/processes.ts';
import { poolQuery } from '../../workflows/base/messages.ts';
import type { TestStack } from './stack.ts';
import { until } from './until.ts';

export interface GpuWorker {
  readonly host: string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with its exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  log(): Promise<string>;
}

/** `glee-worker gpu`, once it says that it is ready; with two pretended GPUs, and not `--handover`. */
export async function startGpuWorker(
  stack: TestStack,
  host: string,
  more: Readonly<Record<string, string>> = {},
): Promise<GpuWorker> {
  const worker = spawnGpuWorker(stack, host, more);
  await until(`the worker of ${host} to join`, async () => (await worker.log()).includes('joined the pool'));
  return worker;
}

/** The same, before it is ready; undefined takes a variable away. */
export function spawnGpuWorker(
  stack: TestStack,
  host: string,
  more: Readonly<Record<string, string | undefined>> = {},
): GpuWorker {
  const own = {
    GLEE_HOST: host,
    GLEE_SCRATCH: scratchOf(stack.directory, host),
    GLEE_ADDRESS: '127.0.0.1',
    GLEE_GPUS: '2',
    GLEE_PRETEND_GPUS: '1',
    // Where a test dies, the kernel's SIGTERM drains it.
    GLEE_DRAIN_MINUTES: '2',
  };
  return { host, ...spawnWorker(stack, 'gpu', { ...own, ...more }) };
}

export function spawnWorker(
  { directory, env }: TestStack,
  kind: 'gpu' | 'control',
  more: Readonly<Record<string, string | undefined>> = {},
): Omit<GpuWorker, 'host'> {
  const folder = join(directory, 'workers');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${kind}-${(started += 1)}.log`);
  const log = openSync(path, 'w');
  const program = join(packageRoot, 'dist/workers/main.js');
  const [command, args] = dyingWithUs(process.execPath, ['--enable-source-maps', program, kind]);
  const child = spawn(command, args, {
    env: { ...process.env, ...foreignServiceVariables(), ...env, ...more },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  return {
    kill: (signal) => void child.kill(signal),
    ended: new Promise((resolve, reject) => {
      child.once('exit', (code, signal) => resolve(signal ?? code ?? -1));
      child.once('error', reject);
    }),
    log: () => readFile(path, 'utf8'),
  };
}

let started = 0;

/** Worker and trainers, which would outlive it. */
export async function stopGpuWorkers({ directory }: TestStack, workers: readonly GpuWorker[]): Promise<void> {
  for (const worker of workers) worker.kill('SIGKILL');
  await Promise.all(workers.map(({ ended }) => ended));
  for (const { host } of workers)
    for (const job of await listJobs(scratchOf(directory, host))) await endTrainer(job);
}

export function scratchOf(directory: string, host: string): string {
  return join(directory, 'hosts', host);
}

export function viewPool({ client }: TestStack, pool = 'default'): Promise<PoolView> {
  return client.workflow.getHandle(poolWorkflowId(pool)).query(poolQuery);
}

/** @throws when the pool does not know it. */
export async function viewHost(stack: TestStack, name: string): Promise<HostView> {
  const found = (await viewPool(stack)).hosts.find((host) => host.name === name);
  if (found === undefined) throw new Error(`the pool has no host '${name}'`);
  return found;
}

/** The hosts that a run's stage1 holds, when there are so many. */
export function untilHeld(stack: TestStack, run: string, count: number): Promise<readonly string[]> {
  return until(`${run} to hold ${count} hosts`, async () => {
    const { hosts } = await viewPool(stack);
    const held = hosts.filter(({ leases }) => leases.some(({ holder }) => holder === `${run}/stage1`));
    return held.length === count && held.map(({ name }) => name);
  });
}
