/**
 * @module Starts a trainer with the command line of GLEE's train_net.py, in a session of its own that outlives this process.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { gpuVariables } from '../../planning/environment/visible-gpus.ts';
import { EnvironmentError } from '../../planning/environment/environment-error.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { trainerEnvironment } from '../../planning/environment/trainer-environment.ts';
import { addressProblem, isPort, urlHost } from '../../contracts/addresses.ts';
import type { StagePlan } from '../../contracts/plan.ts';
import type { TrainRankInput } from '../../contracts/training.ts';
import { fail } from '../support/failures.ts';
import { companionVariables } from './progress/companion-files.ts';
import { coverageVariables } from './progress/weights-coverage.ts';
import { datasetVariables } from './progress/declared-datasets.ts';
import { wasLaunched, writeJobFile, type Job } from './jobs/job.ts';
import { isAlive, jobMark } from './jobs/processes.ts';

/** Runs GLEE's own train_net.py with our hooks in it. */
const COMPANION = join(packageRoot, 'trainer/companion.py');

export interface Launcher {
  readonly python: string;
  readonly checkout: string;
}

export interface LaunchLimits {
  /** The least share of the model that the initial weights must match. */
  readonly coverage?: number | undefined;
  /** The lease's GPUs on this host. Absent: all. */
  readonly gpuIndices?: readonly number[] | undefined;
  /** What the companion registers; its file is written already. */
  readonly datasets?: StagePlan['datasets'];
  /** It stops after so many iterations of the stage. Absent: at its end. */
  readonly stopAfter?: number | undefined;
}

/**
 * The trainer's arguments after the interpreter: what GLEE's `launch.py` would give to train_net.py. It is not used itself:
 * it takes whatever `python3` is first on the PATH, and joins its arguments into a string for a shell.
 *
 * @throws InvalidConfig where the gang's first host has no proper address: a workflow's input is typed by people.
 */
export function trainerArguments(input: TrainRankInput, config: string): string[] {
  const { plan, machineRank, masterAddress, port, resumeFrom } = input;
  const { hosts, gpusPerHost } = plan.gang;
  const problem = addressProblem(masterAddress) ?? (isPort(port) ? undefined : `${port} is no port`);
  if (problem !== undefined) throw fail('InvalidConfig', `the gang's rendezvous: ${problem}`);
  const gang = ['--num-machines', String(hosts), '--machine-rank', String(machineRank)];
  return [
    ...[COMPANION, '--num-gpus', String(gpusPerHost), ...(hosts === 1 ? [] : gang)],
    ...['--dist-url', `tcp://${hosts === 1 ? '127.0.0.1' : urlHost(masterAddress)}:${port}`],
    ...['--config-file', config, ...(resumeFrom === null ? [] : ['--resume'])],
  ];
}

/** The same for an evaluation on one host. */
export function evaluatorArguments({
  gpus,
  port,
  config,
}: {
  readonly gpus: number;
  readonly port: number;
  readonly config: string;
}): string[] {
  const rendezvous = ['--dist-url', `tcp://127.0.0.1:${port}`];
  return [COMPANION, '--num-gpus', String(gpus), ...rendezvous, '--config-file', config, '--eval-only'];
}

/** Whether the job's trainer was started: its traces say so, or, where a tidier of old files has taken them, its processes. */
export async function isThere(job: Job): Promise<boolean> {
  return (await wasLaunched(job)) || (await isAlive(job));
}

/** Returns once the shim runs. The `launched` mark is written first: better an attempt too many than two trainers. */
export async function launchTrainer(
  { python, checkout }: Launcher,
  job: Job,
  argv: readonly string[],
  { coverage, gpuIndices, stopAfter, ...declared }: LaunchLimits = {},
): Promise<void> {
  const gpus = gpusOf(gpuIndices);
  await writeJobFile(job, 'launched', { argv });
  const shim = spawn(python, [join(packageRoot, 'trainer/shim.py'), job.folder, checkout, python, ...argv], {
    detached: true,
    stdio: 'ignore',
    env: trainerEnvironment({
      ...jobMark(job),
      ...companionVariables(job, stopAfter),
      ...coverageVariables(job, coverage),
      ...datasetVariables(job, declared),
      ...gpus,
    }),
  });
  try {
    await once(shim, 'spawn');
  } catch (error) {
    throw fail('MissingFile', `GLEE_PYTHON '${python}' does not start: ${String(error)}`);
  }
  shim.unref();
}

function gpusOf(indices: readonly number[] | undefined): Record<string, string> {
  try {
    return gpuVariables(indices);
  } catch (error) {
    if (error instanceof EnvironmentError) throw fail('HostUnfit', error.message);
    throw error;
  }
}
