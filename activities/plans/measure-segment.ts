/** @module What a trial's segment cost that has no result: it failed, or was stopped. */
import { getClient } from '@temporalio/activity';
import { WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { keys, stageWorkflowId } from '../../contracts/ids.ts';
import { FINE_TUNE_STAGE } from '../../contracts/plan.ts';
import { stageStateQuery } from '../../workflows/base/messages.ts';
import { isRunning } from '../support/is-running.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import { planSchema, readObject } from '../storage/schemas.ts';

/**
 * GPU-hours for which the newest segment of the trial `run` held its hosts: its stage says so, also when it has ended. 0
 * where the segment ended before its stage began.
 *
 * @throws while the stage still runs: it is asked again.
 */
export async function measureSegment(store: ObjectStore, run: string): Promise<number> {
  const client = getClient();
  const stage = stageWorkflowId(run, FINE_TUNE_STAGE);
  const [segment, training] = await Promise.all([describe(client, run), describe(client, stage)]);
  // An earlier segment's stage has the same id.
  if (segment === undefined || training === undefined || training.startTime < segment.startTime) return 0;
  if (await isRunning(client, stage)) throw new Error(`${stage} still gives its hosts back`);
  const plan = await readObject(store, keys.plan(run), planSchema);
  const gang = plan?.value.stages[0]?.gang;
  const { trainedSeconds = 0 } = await client.workflow.getHandle(stage).query(stageStateQuery);
  return gang === undefined ? 0 : (gang.hosts * gang.gpusPerHost * trainedSeconds) / 3600;
}

async function describe(client: Client, id: string): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await client.workflow.getHandle(id).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
