/**
 * @module The trainer's own start: the very command that the pipeline gave its newest trainer, without any pipeline.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Job } from '../activities/training/jobs/job.ts';
import { logTail } from '../sandbox/log-tail.ts';
import { dyingWithUs, endGroup } from '../sandbox/processes.ts';
import { waitForIteration } from './beacon.ts';

/** What the sandbox's trainer needs in its environment: its checkout, which has the beacon in it, and the data. */
export interface TrainerEnv {
  readonly GLEE_CHECKOUT: string;
  readonly DETECTRON2_DATASETS: string;
}

export interface OwnStart {
  /** One a host, in any order: their folders have the config, the checkpoint and the command. */
  readonly jobs: readonly Job[];
  /** What the jobs' output folders, and no others, have in their paths. */
  readonly output: string;
  readonly beacon: string;
  readonly trainerEnv: TrainerEnv;
  readonly signal: AbortSignal;
}

const launchedSchema = z.object({ argv: z.array(z.string()) });

/** Seconds from the spawn to the first iteration that rank 0 finishes, resumed from the same checkpoint. */
export async function measureOwnStart(options: OwnStart): Promise<number> {
  const { jobs, output, beacon, signal } = options;
  const commands = await Promise.all(jobs.map(readCommand));
  await shareNewest(jobs);
  const ended = new AbortController();
  const startedAt = Date.now();
  const trainers = commands.map((command) => startTrainer(command, options, () => ended.abort()));
  const wait = {
    file: beacon,
    output,
    signal: AbortSignal.any([signal, ended.signal]),
    what: 'the first iteration',
  };
  try {
    const { at } = await waitForIteration(wait, (sign) => sign.rank === 0 && sign.at > startedAt);
    return (at - startedAt) / 1000;
  } catch (error) {
    signal.throwIfAborted();
    const logs = await Promise.all(commands.map(({ log }) => logTail(log)));
    throw new Error(`a trainer did not start by itself: ${logs.join('\n')}`, { cause: error });
  } finally {
    for (const { pid } of trainers) if (pid !== undefined) await endGroup(pid, 1000);
  }
}

/** Rank 0 has saved since, and at last when it was cancelled: every host needs that checkpoint. */
async function shareNewest(jobs: readonly Job[]): Promise<void> {
  const found = await Promise.all(
    jobs.map(async ({ output }) => ({
      output,
      name: await readFile(join(output, 'last_checkpoint'), 'utf8').catch(() => ''),
    })),
  );
  const newest = found.toSorted((a, b) => b.name.localeCompare(a.name))[0];
  if (newest === undefined || newest.name === '') return;
  for (const { output, name } of found) {
    if (name === newest.name) continue;
    await cp(join(newest.output, newest.name), join(output, newest.name));
    await cp(join(newest.output, 'last_checkpoint'), join(output, 'last_checkpoint'));
  }
}

interface Command {
  readonly argv: readonly string[];
  readonly log: string;
}

async function readCommand({ folder }: Job): Promise<Command> {
  const { argv } = launchedSchema.parse(JSON.parse(await readFile(join(folder, 'launched'), 'utf8')));
  return { argv, log: join(folder, 'own-start.log') };
}

function startTrainer(
  { argv, log }: Command,
  { trainerEnv, beacon }: OwnStart,
  onEnd: () => void,
): ChildProcess {
  const file = openSync(log, 'a');
  const trainer = spawn(...dyingWithUs('python3', argv), {
    cwd: trainerEnv.GLEE_CHECKOUT,
    env: { ...process.env, ...trainerEnv, GLEE_BENCH_BEACON: beacon, PYTHONUNBUFFERED: '1' },
    detached: true,
    stdio: ['ignore', file, file],
  });
  closeSync(file);
  return trainer.once('exit', onEnd);
}
