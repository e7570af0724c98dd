/** @module `glee sweep start`. */
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import { CONTROL_TASK_QUEUE, runIdProblem } from '../../contracts/ids.ts';
import { withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { renderSweep, viewOf, type SweepView } from './status.ts';

export async function startSweep(config: string, sweep: string, options: OutputOptions): Promise<void> {
  const problem = runIdProblem(sweep);
  if (problem !== undefined) throw new UserError(problem);
  await withClient(async (client) => {
    try {
      await client.workflow.start('fineTuneSweep', {
        workflowId: sweep,
        taskQueue: CONTROL_TASK_QUEUE,
        args: [{ config }],
        staticSummary: `sweep, ${config}`,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      throw new UserError(`sweep '${sweep}' is running already: 'glee sweep status ${sweep}' shows it`);
    }
    const view = await planned(client, sweep);
    print(
      { ...view, config },
      options,
      (seen) => `${renderSweep(seen)}\n\nfollow it: glee sweep status ${sweep}`,
    );
    if (view.status === 'FAILED') process.exitCode = 1;
  });
}

/** The command waits so long for the plan's check; the sweep continues either way. */
const PLAN_WAIT_MS = 20_000;

async function planned(client: Client, sweep: string): Promise<SweepView> {
  for (const deadline = Date.now() + PLAN_WAIT_MS; ;) {
    await delay(300);
    // Before a control worker has taken it, no query is answered.
    const view = await viewOf(client, sweep).catch((error: unknown) => {
      if (error instanceof UserError) throw error;
      return { sweep, status: 'RUNNING', trials: [], added: [] };
    });
    if (view.status !== 'RUNNING' || view.trials.length > 0 || Date.now() > deadline) return view;
  }
}
