import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import getPort from 'get-port';
import { z } from 'zod';

export const stage1 = 'Lite/Stage1_pretrain_openimage_obj365_CLIPfrozen_R50';

/** A copy of sandbox/glee with its data sets and weights, and the Python that runs it. */
export interface StandIn {
  readonly checkout: string;
  readonly python: string;
}

export interface Training {
  readonly output: string;
  /** A config under projects/GLEE/configs/images, without `.yaml`. @default stage1 */
  readonly stage?: string;
  /** A config file in the place of the stage's. */
  readonly config?: string;
  readonly ranks?: number;
  readonly url?: string;
  readonly resume?: boolean;
  readonly evalOnly?: boolean;
  /** Through the pipeline's companion, as the pipeline starts it. */
  readonly companion?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** KEY VALUE overrides. */
  readonly set?: Readonly<Record<string, string | number>>;
  /** More arguments, before the overrides. */
  readonly more?: readonly string[];
  readonly rendezvousSeconds?: number;
}

/** A gang on two machines, one rank each, with a file system that they share. */
export interface TwoMachines {
  readonly output: string;
  readonly resume?: boolean;
  readonly companion?: boolean;
  readonly set: Readonly<Record<string, string | number>>;
  /** MODEL.WEIGHTS of machine 1 alone. */
  readonly otherWeights?: string;
}

export async function makeStandIn(folder: string): Promise<StandIn> {
  const checkout = join(folder, 'glee');
  await cp(join(repositoryRoot(), 'sandbox/glee'), checkout, { recursive: true });
  // Version managers put a slow shim before Python.
  const { stdout: python } = await execa('python3', ['-c', 'import sys; print(sys.executable)']);
  await execa(python, ['make_datasets.py', 'datasets'], { cwd: checkout });
  await execa(python, ['make_weights.py'], { cwd: checkout });
  return { checkout, python };
}

const companion = join(repositoryRoot(), 'trainer/companion.py');

/** Starts train_net.py; the result says how it ended, whatever its exit status. */
export function train(standIn: StandIn, training: Training) {
  const { stage = stage1, ranks = 1, url = 'auto', more = [], rendezvousSeconds = 30 } = training;
  const config = training.config ?? `projects/GLEE/configs/images/${stage}.yaml`;
  const args = ['--config-file', config, '--num-gpus', String(ranks), '--dist-url', url, ...more];
  if (training.resume) args.push('--resume');
  if (training.evalOnly) args.push('--eval-only');
  args.push('OUTPUT_DIR', training.output, ...overrides(training));
  const script = training.companion ? companion : 'projects/GLEE/train_net.py';
  return start(standIn, [script, ...args], rendezvousSeconds, training.env);
}

/** Starts launch.py twice, as on two machines. */
export async function launchTwoMachines(standIn: StandIn, machines: TwoMachines) {
  const port = await getPort();
  const gang = ['--np', '1', '--nn', '2', '--port', String(port), '--master_address', '127.0.0.1'];
  const common = ['--config-file', `projects/GLEE/configs/images/${stage1}.yaml`];
  if (machines.resume) common.push('--resume');
  const launch = ['launch.py', ...(machines.companion ? ['--launch', companion] : []), ...gang];
  common.push('OUTPUT_DIR', machines.output, ...overrides(machines));
  const others = machines.otherWeights ? ['MODEL.WEIGHTS', machines.otherWeights] : [];
  return {
    machine0: start(standIn, [...launch, '--worker_rank', '0', ...common], 30),
    machine1: start(standIn, [...launch, '--worker_rank', '1', ...common, ...others], 30),
  };
}

function start({ checkout, python }: StandIn, args: readonly string[], rendezvousSeconds: number, more = {}) {
  const env = { SANDBOX_RENDEZVOUS_SECONDS: String(rendezvousSeconds), ...more };
  return execa(python, args, { cwd: checkout, env, reject: false });
}

function overrides({ set = {} }: Pick<Training, 'set'>): string[] {
  return Object.entries(set).flat().map(String);
}

/** Waits for a training's end, which has to be a good one, and gives what it wrote to stdout. */
export async function succeed(training: ReturnType<typeof train>): Promise<string> {
  const { exitCode, stdout, stderr } = await training;
  assert.equal(exitCode, 0, stderr);
  return stdout;
}

export async function readMetrics(output: string) {
  const line = z.looseObject({ iteration: z.number(), total_loss: z.number().optional() });
  const text = await readFile(join(output, 'metrics.json'), 'utf8');
  return (
    text
      .trim()
      .split('\n')
      // Python writes NaN, as detectron2 does where a data set has no objects of a size.
      .map((row) => line.parse(JSON.parse(row.replaceAll('NaN', 'null'))))
  );
}

/** The pids of trainers whose command line names the folder, and the text if there is one. */
export async function trainersIn(output: string, text = ''): Promise<number[]> {
  const { stdout } = await execa('ps', ['-ww', '-eo', 'pid=,args=']);
  const needed = [output, text];
  const trainers = stdout.split('\n').filter((line) => /(train_net|companion)\.py/.test(line));
  const lines = trainers.filter((line) => needed.every((part) => line.includes(part)));
  // Not the shell that launch.py starts them with.
  return lines.filter((line) => !line.includes(' -c ')).map((line) => Number.parseInt(line, 10));
}

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `waited too long for ${what}`);
    await delay(10);
  }
}

export async function sha256(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

function repositoryRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
