/** @module A config planned where it will be planned at 3 a.m.: by a control worker, with its checkout and its bucket. */
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowFailedError, type Client } from '@temporalio/client';
import { CONTROL_TASK_QUEUE, scheduleCheckId } from '../../contracts/ids.ts';
import type { ScheduledRunInput, ScheduledRunResult } from '../../contracts/schedule.ts';
import { countControlWorkers } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { rootCause } from '../shared/observe-run.ts';

/** Weights may have to be hashed. */
const LONGEST = '10 minutes';

/** With a worker that is there and idle, a plan takes less than a second. */
const PATIENCE_MS = 5000;
const isThere = () => true;

/**
 * Runs whose newest final weights the config begins from.
 * @throws UserError with what is wrong with the config, or when no worker could plan it.
 */
export async function planOnWorker(
  client: Client,
  schedule: string,
  config: string,
): Promise<readonly string[]> {
  const plan = await client.workflow.start<(input: ScheduledRunInput) => Promise<ScheduledRunResult>>(
    'scheduledRun',
    {
      workflowId: scheduleCheckId(schedule, config),
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ config, onlyPlan: true }],
      staticSummary: `plan ${config} for the schedule ${schedule}`,
      workflowIdConflictPolicy: 'TERMINATE_EXISTING',
      workflowExecutionTimeout: LONGEST,
    },
  );
  const planned = plan.result();
  // Asked only of a plan that is late: a worker that has just been started has not polled yet.
  const late = !(await Promise.race([
    planned.then(isThere, isThere),
    delay(PATIENCE_MS, false, { ref: false }),
  ]));
  if (late && (await countControlWorkers(client)) === 0) {
    await plan.terminate('no control worker');
    throw new UserError(
      `no control worker has polled '${CONTROL_TASK_QUEUE}' of late, and one has to plan '${config}' first: start 'glee-worker control'`,
    );
  }
  try {
    const result = await planned;
    return result.did === 'planned' ? result.follows : [];
  } catch (error) {
    if (error instanceof WorkflowFailedError)
      throw new UserError(`no schedule was made: ${rootCause(error)}`);
    throw error;
  }
}
