/**
 * @module The embedded default for tests, in a folder of its own that is gone after.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { livingTrainers } from '../../activities/training/jobs/processes.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import type { JointTrainingResult } from '../../contracts/runs.ts';
import type { Progress } from '../../contracts/training.ts';
import { observeHosts, observeRun, type RunSnapshot } from '../../cli/shared/observe-run.ts';
import { startRun } from '../../cli/runs/start.ts';
import { startStack, type Stack, type StackOptions } from '../../sandbox/stack.ts';
import { until } from './until.ts';

export interface TestStack extends Stack {
  readonly directory: string;
  readonly gate: Gate;
}

/** Where trainers can be held: what a test does to a run in the middle must not be a race with its end. */
export interface Gate {
  /** From now on no trainer begins this iteration, counted from 0. */
  closeAt: (iteration: number) => Promise<void>;
  open: () => Promise<void>;
}

/** Configs in test/fixtures/configs are known to it besides none of the package's own. */
export async function startTestStack(options: Omit<StackOptions, 'directory'> = {}): Promise<TestStack> {
  const directory = await mkdtemp(join(tmpdir(), 'glee-test-'));
  const gate = join(directory, 'gate');
  const env = {
    GLEE_CONFIG_DIR: join(packageRoot, 'test/fixtures/configs'),
    SANDBOX_GATE: gate,
    ...options.env,
  };
  const stack = await startStack({ ...options, directory, env });
  return {
    ...stack,
    directory,
    gate: {
      closeAt: (iteration) => writeFile(gate, String(iteration)),
      open: () => rm(gate, { force: true }),
    },
    stop: async () => {
      await stack.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Starts a run and returns its result. */
export async function trainToTheEnd(stack: Stack, run: string, config: string): Promise<JointTrainingResult> {
  await startRun(stack.client, run, { config });
  return resultOf(stack, run);
}

/** Waits for a run to end, through outages of the server; throws when it failed. */
export async function resultOf(
  stack: Stack,
  run: string,
  deadlineMs = 300_000,
): Promise<JointTrainingResult> {
  const end = await until(`run ${run} to end`, async () => ended(await look(stack, run)), deadlineMs);
  if (end.result === null) throw new Error(`run ${run} ended as ${end.status}: ${end.troubles.join('; ')}`);
  return end.result;
}

/** Waits until the trainer of a stage has done so many iterations, and returns what rank 0's host says then. */
export function untilIteration(
  stack: Stack,
  run: string,
  stage: string,
  iteration: number,
): Promise<Progress> {
  return until(`${run}/${stage} to reach iteration ${iteration}`, async () => {
    const [progress] = await observeHosts(stack.client, run, stage).catch(() => []);
    return (progress?.iteration ?? -1) >= iteration ? progress : undefined;
  });
}

/** Job folders of the trainers that live on its hosts: others' tests may have theirs on this machine. */
export async function trainersOf({ directory }: TestStack): Promise<string[]> {
  return [...(await livingTrainers()).keys()].filter((folder) => folder.startsWith(directory));
}

/** Undefined while Temporal cannot be asked. */
export async function look(stack: Stack, run: string): Promise<RunSnapshot | undefined> {
  return observeRun(stack.client, run).catch(() => undefined);
}

function ended(snapshot: RunSnapshot | undefined): RunSnapshot | undefined {
  return snapshot === undefined || snapshot.status === 'RUNNING' ? undefined : snapshot;
}
