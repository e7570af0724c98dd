/**
 * @module What a stage does in S3 and with the pool.
 */
import { getClient } from '@temporalio/activity';
import { stageInputs } from '../../configs/stage-inputs.ts';
import type { PoolActivities, StageActivities } from '../../contracts/activities.ts';
import { CONTROL_TASK_QUEUE, keys, poolWorkflowId } from '../../contracts/ids.ts';
import type { StageResult } from '../../contracts/runs.ts';
import { poolQuery, requestSignal } from '../../workflows/messages.ts';
import { readHead } from '../checkpoints/head.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { isRunning } from './running.ts';

export function createStageActivities(store: ObjectStore): StageActivities & PoolActivities {
  return {
    async requestLease({ pool, request }) {
      await getClient().workflow.signalWithStart('gpuPool', {
        workflowId: poolWorkflowId(pool),
        taskQueue: CONTROL_TASK_QUEUE,
        args: [],
        signal: requestSignal,
        signalArgs: [request],
      });
    },

    async findCandidates({ run, stage, pool, gang }) {
      if ((await readHead(store, { run, stage }))?.checkpoint) return [];
      const view = await getClient()
        .workflow.getHandle(poolWorkflowId(pool))
        .query(poolQuery)
        .catch(() => undefined);
      const suitable = (view?.hosts ?? []).filter(({ present, gpus }) => present && gpus >= gang.gpusPerHost);
      return suitable.length < gang.hosts ? [] : suitable.map(({ name }) => name);
    },

    async publishStage({ stage: { run, plan, weights }, attempts, iterationsRun }) {
      const checkpoint = (await readHead(store, { run, stage: plan.stage }))?.checkpoint;
      if (checkpoint?.final !== true) {
        const found =
          checkpoint === null || checkpoint === undefined
            ? 'no checkpoint'
            : `iteration ${String(checkpoint.iterations)}`;
        throw new Error(`the head of ${run}/${plan.stage} does not name final weights: ${found}`);
      }
      const { key, sha256, sizeBytes } = checkpoint.file;
      const result: StageResult = {
        stage: plan.stage,
        artifact: {
          name: `${run}/${plan.stage}`,
          bucket: store.bucket,
          key,
          sha256,
          sizeBytes,
          iterations: checkpoint.iterations,
          configFile: plan.configFile,
        },
        inputs: stageInputs(plan, weights),
        attempts,
        iterationsRun,
      };
      await store.writeText(keys.result(run, plan.stage), JSON.stringify(result, undefined, 2));
      return result;
    },

    async findEndedHolders({ holders }) {
      const ended = await Promise.all(
        holders.map(async (holder) => ((await isRunning(getClient(), holder)) ? [] : [holder])),
      );
      return ended.flat();
    },
  };
}
