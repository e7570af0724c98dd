/**
 * @module `glee start`: begins a run and says at once when its config will not do.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import { CONTROL_TASK_QUEUE, kindOfConfig, runIdProblem } from '../../contracts/ids.ts';
import type { JointTrainingInput } from '../../contracts/runs.ts';
import { withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { observeRun, type RunSnapshot } from '../shared/observe-run.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { renderRun } from './render.ts';

/** So long the command waits to hear that the plan is sound; the run continues either way. */
const PLAN_WAIT_MS = 20_000;

export interface StartOptions extends OutputOptions {
  readonly run?: string;
}

export async function start(config: string, options: StartOptions): Promise<void> {
  const run = options.run ?? defaultRun(config);
  const problem = runIdProblem(run);
  if (problem !== undefined) throw new UserError(problem);
  if (kindOfConfig(config) === 'sweep')
    throw new UserError(`a sweep is begun with: glee sweep start ${config} --id ${run}`);
  await withClient(async (client) => {
    await startRun(client, run, { config });
    const snapshot = await planned(client, run);
    print(snapshot, options, (seen) => `${renderRun(seen)}\n\nfollow it: glee status ${run} --watch`);
    if (snapshot.status === 'FAILED') process.exitCode = 1;
  });
}

/** @throws UserError when the id is taken by a run that still continues. */
export async function startRun(client: Client, run: string, input: JointTrainingInput): Promise<void> {
  try {
    const { config = 'joint/lite' } = input;
    const kind = kindOfConfig(config);
    await client.workflow.start(kind === 'fine-tune' ? 'fineTune' : 'jointTraining', {
      workflowId: run,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [input],
      staticSummary: `${kind}, ${config}`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new UserError(
      `run '${run}' is running already: 'glee status ${run}' shows it; another run needs another --run`,
    );
  }
}

async function planned(client: Client, run: string): Promise<RunSnapshot> {
  for (const deadline = Date.now() + PLAN_WAIT_MS; ;) {
    await delay(200);
    const snapshot = await observeRun(client, run);
    if (snapshot === undefined) throw new UserError(`run '${run}' is gone: someone deleted it`);
    // A run that says it failed is about to be closed with its reason.
    const planning = snapshot.state === null || ['planning', 'failed'].includes(snapshot.state.phase);
    if (snapshot.status !== 'RUNNING' || !planning || Date.now() > deadline) return snapshot;
  }
}

function defaultRun(config: string): string {
  const minute = new Date().toISOString().slice(0, 16).replaceAll(/[-:]/g, '').replace('T', '-');
  return `${config.split('/').at(-1) ?? 'run'}-${minute}`;
}
