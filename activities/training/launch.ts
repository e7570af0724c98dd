/**
 * @module Starts a trainer with GLEE's own command lines, in a session of its own that outlives this process.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { trainerEnvironment } from '../../configs/env.ts';
import { packageRoot } from '../../configs/package-root.ts';
import type { TrainRankInput } from '../../contracts/training.ts';
import { fail } from '../fail.ts';
import { companionVariables } from './companion.ts';
import { coverageVariables } from './coverage.ts';
import { writeJobFile, type Job } from './job.ts';
import { jobMark } from './processes.ts';

/** Runs GLEE's own train_net.py with our hooks in it. */
const COMPANION = join(packageRoot, 'trainer/companion.py');

export interface Launcher {
  readonly python: string;
  readonly checkout: string;
}

/**
 * The trainer's arguments after the interpreter. Settings travel in the config file: `launch.py` joins its arguments
 * into a shell string, which values like ('a','b') break, and without a port it takes one from the clock's hour.
 */
export function trainerArguments(input: TrainRankInput, config: string): string[] {
  const { plan, machineRank, masterAddress, port, resumeFrom } = input;
  const { hosts, gpusPerHost } = plan.gang;
  const settings = ['--config-file', config, ...(resumeFrom === null ? [] : ['--resume'])];
  if (hosts === 1) {
    const rendezvous = ['--dist-url', `tcp://127.0.0.1:${String(port)}`];
    return [COMPANION, '--num-gpus', String(gpusPerHost), ...rendezvous, ...settings];
  }
  return [
    ...['launch.py', '--launch', shellWord(COMPANION)],
    ...['--nn', String(hosts), '--np', String(gpusPerHost), '--port', String(port)],
    ...['--worker_rank', String(machineRank), '--master_address', masterAddress],
    ...settings,
  ];
}

/** A path as launch.py's shell takes it whole: this package may lie in a folder with a space in its name. */
export function shellWord(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

/** Returns once the shim runs. The `launched` mark is written first: better an attempt too many than two trainers. */
export async function launchTrainer(
  { python, checkout }: Launcher,
  job: Job,
  argv: readonly string[],
  coverageLimit?: number,
): Promise<void> {
  await writeJobFile(job, 'launched', { argv });
  const shim = spawn(python, [join(packageRoot, 'trainer/shim.py'), job.folder, checkout, python, ...argv], {
    detached: true,
    stdio: 'ignore',
    env: trainerEnvironment({
      ...jobMark(job),
      ...companionVariables(job),
      ...coverageVariables(job, coverageLimit),
    }),
  });
  try {
    await once(shim, 'spawn');
  } catch (error) {
    throw fail('MissingFile', `GLEE_PYTHON '${python}' does not start: ${String(error)}`);
  }
  shim.unref();
}
