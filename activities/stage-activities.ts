/**
 * @module What a stage does in S3 and with the pool.
 */
import { getClient } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { stageInputs } from '../planning/inputs-checksum.ts';
import type { PublishStageInput, StageActivities } from '../contracts/activities.ts';
import { hasArrived } from '../contracts/checkpoints.ts';
import { meets } from '../contracts/host-needs.ts';
import { CONTROL_TASK_QUEUE, keys, poolWorkflowId } from '../contracts/ids.ts';
import { parse } from '../contracts/parsing.ts';
import { readLeaseAnswer } from '../contracts/pool-messages.ts';
import type { StageResult } from '../contracts/runs.ts';
import { poolLeaseQuery, poolQuery, requestSignal } from '../workflows/base/messages.ts';
import { readHead } from './checkpoints/head.ts';
import type { ObjectStore } from './storage/ports/object-store.ts';

export function createStageActivities(store: ObjectStore): StageActivities {
  return {
    requestLease,
    confirmLease,
    findCandidates: (input) => findCandidates(store, input),
    findSuitable,
    recordChanges: async ({ run, stage, changes }) => {
      await store.writeText(keys.changes(run, stage), JSON.stringify(changes, undefined, 2));
    },
    publishStage: (input) => publishStage(store, input),
  };
}

const requestLease: StageActivities['requestLease'] = async ({ pool, request }) => {
  await getClient().workflow.signalWithStart('gpuPool', {
    workflowId: poolWorkflowId(pool),
    taskQueue: CONTROL_TASK_QUEUE,
    args: [],
    signal: requestSignal,
    signalArgs: [request],
  });
};

const confirmLease: StageActivities['confirmLease'] = async ({ pool, requestId }) => {
  const handle = getClient().workflow.getHandle(poolWorkflowId(pool));
  const answer: unknown = await handle.query(poolLeaseQuery, requestId).catch((error: unknown) => {
    // A pool that is gone has granted nothing that counts.
    if (error instanceof WorkflowNotFoundError) return { isReady: true, lease: null };
    throw error;
  });
  const parsed = parse(readLeaseAnswer, answer, `the answer of pool '${pool}'`);
  if (!parsed.ok) throw new Error(parsed.problem);
  if (!parsed.value.isReady) throw new Error(`pool '${pool}' has just been started and asks the holders`);
  return parsed.value.lease;
};

const findSuitable: StageActivities['findSuitable'] = async ({ pool, gang: { gpusPerHost }, needs }) => {
  const view = await getClient().workflow.getHandle(poolWorkflowId(pool)).query(poolQuery);
  const needed = { gpusPerHost, ...(needs !== undefined && { needs }) };
  return view.hosts.filter((host) => host.usable && meets(host, needed)).map(({ name }) => name);
};

async function findCandidates(
  store: ObjectStore,
  { run, stage, pool, gang }: Parameters<StageActivities['findCandidates']>[0],
): Promise<readonly string[]> {
  if ((await readHead(store, { run, stage }))?.checkpoint) return [];
  const view = await getClient()
    .workflow.getHandle(poolWorkflowId(pool))
    .query(poolQuery)
    .catch(() => undefined);
  const suitable = (view?.hosts ?? []).filter(({ usable, gpus }) => usable && gpus >= gang.gpusPerHost);
  return suitable.length < gang.hosts ? [] : suitable.map(({ name }) => name);
}

async function publishStage(
  store: ObjectStore,
  { stage: { run, plan, weights, until }, ...ran }: PublishStageInput,
): Promise<StageResult> {
  const checkpoint = (await readHead(store, { run, stage: plan.stage }))?.checkpoint ?? null;
  if (checkpoint === null || !hasArrived(checkpoint, until)) {
    const found = checkpoint === null ? 'no checkpoint' : `iteration ${checkpoint.iterations}`;
    const wanted = until === undefined ? 'final weights' : `iteration ${until}`;
    throw new Error(`the head of ${run}/${plan.stage} does not name ${wanted}: ${found}`);
  }
  const { final, iterations, file } = checkpoint;
  const { key, sha256, sizeBytes } = file;
  const name = `${run}/${plan.stage}${final ? '' : `@${iterations}`}`;
  const { configFile } = plan;
  const result: StageResult = {
    stage: plan.stage,
    artifact: { name, bucket: store.bucket, key, sha256, sizeBytes, iterations, configFile },
    inputs: stageInputs(plan, weights),
    ...ran,
  };
  // A later start of the run finds by it that the stage is done.
  if (final) await store.writeText(keys.result(run, plan.stage), JSON.stringify(result, undefined, 2));
  return result;
}
