/**
 * @module The embedded default for tests, in a folder of its own that is gone after.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../configs/package-root.ts';
import type { JointTrainingResult } from '../../contracts/runs.ts';
import type { Progress } from '../../contracts/training.ts';
import { observeRun, type RunSnapshot } from '../../cli/observe.ts';
import { startRun } from '../../cli/start.ts';
import { startStack, type Stack, type StackOptions } from '../../sandbox/stack.ts';
import { until } from './until.ts';

export interface TestStack extends Stack {
  readonly directory: string;
}

/** Configs in test/fixtures/configs are known to it besides none of the package's own. */
export async function startTestStack(options: Omit<StackOptions, 'directory'> = {}): Promise<TestStack> {
  const directory = await mkdtemp(join(tmpdir(), 'glee-test-'));
  const env = { GLEE_CONFIG_DIR: join(packageRoot, 'test/fixtures/configs'), ...options.env };
  const stack = await startStack({ ...options, directory, env });
  return {
    ...stack,
    directory,
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
  return until(`${run}/${stage} to reach iteration ${String(iteration)}`, async () => {
    const snapshot = await look(stack, run);
    if (snapshot?.stage?.name !== stage) return undefined;
    const [progress] = snapshot.stage.hosts;
    return (progress?.iteration ?? -1) >= iteration ? progress : undefined;
  });
}

/** Undefined while Temporal cannot be asked. */
export async function look(stack: Stack, run: string): Promise<RunSnapshot | undefined> {
  return observeRun(stack.client, run).catch(() => undefined);
}

function ended(snapshot: RunSnapshot | undefined): RunSnapshot | undefined {
  return snapshot === undefined || snapshot.status === 'RUNNING' ? undefined : snapshot;
}
