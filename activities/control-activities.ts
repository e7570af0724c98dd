/**
 * @module What a person's orders need of S3 and of other workflows.
 */
import { activityInfo, cancellationSignal, getClient } from '@temporalio/activity';
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { stageInputs } from '../planning/inputs-checksum.ts';
import type { ControlActivities, ForwardControlInput, SkipStageInput } from '../contracts/activities.ts';
import { describeRef, parseCheckpointRef } from '../contracts/checkpoints.ts';
import { keys } from '../contracts/ids.ts';
import type { Artifact } from '../contracts/plan.ts';
import type { StageResult } from '../contracts/runs.ts';
import { controlUpdates } from '../workflows/base/messages.ts';
import { findCheckpoint } from './checkpoints/find.ts';
import { pinStart } from './checkpoints/start-from.ts';
import { refused } from './support/failures.ts';
import type { Bucket } from './storage/bucket.ts';

export function createControlActivities(bucket: Bucket): ControlActivities {
  return {
    forwardControl,

    findSkipped: (input) => findSkipped(bucket, input),

    async publishSkipped(input) {
      const { run, plan, weights } = input.stage;
      const artifact = await findSkipped(bucket, input);
      await pinStart(bucket, artifact, run, cancellationSignal());
      const result: StageResult = {
        stage: plan.stage,
        artifact,
        inputs: stageInputs(plan, weights),
        attempts: 0,
        iterationsRun: 0,
      };
      const name = keys.result(run, plan.stage);
      await bucket.store.writeText(name, JSON.stringify(result, undefined, 2));
      return result;
    },
  };
}

/** To the stage of this run, with the worker's own client. */
export async function forwardControl({ stage, control }: ForwardControlInput): Promise<string> {
  const { kind, ...order } = control;
  const { workflowExecution, activityId } = activityInfo();
  // An answer that was lost is given again.
  const updateId = `${workflowExecution?.runId ?? ''}-${activityId}`;
  try {
    const handle = getClient().workflow.getHandle(stage);
    return await handle.executeUpdate(controlUpdates[kind], { args: [order], updateId });
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) throw refused(error.cause?.message ?? error.message);
    if (error instanceof WorkflowNotFoundError)
      throw refused(`${stage} does not run: it has ended, or has not begun yet`);
    throw error;
  }
}

async function findSkipped(
  bucket: Bucket,
  { stage: { run, plan }, weights }: SkipStageInput,
): Promise<Artifact> {
  const named = weights ?? `${run}/${plan.stage}`;
  const ref = parseCheckpointRef(named);
  const checkpoint = ref && (await findCheckpoint(bucket, ref, cancellationSignal()));
  if (checkpoint === undefined) {
    const advice =
      weights === undefined ? "name others with 'weights'" : "'glee checkpoints list' shows what there is";
    throw refused(`there is no checkpoint '${named}' in S3: ${advice}`);
  }
  const { key, sha256, sizeBytes } = checkpoint.file;
  const { iterations } = checkpoint;
  const name = describeRef({ ...checkpoint, which: iterations });
  const configFile = checkpoint.run === run && checkpoint.stage === plan.stage ? plan.configFile : '';
  return { name, bucket: bucket.store.bucket, key, sha256, sizeBytes, iterations, configFile };
}
