/**
 * @module A fine-tune: one stage on one task, then the evaluation of the checkpoints that its config names; the best one
 * is part of the result. A run that is started again under the same id does only what is missing.
 */
import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { PlanActivities, ResolvedFineTune } from '../../contracts/activities.ts';
import type { FineTuneInput, FineTunePlan, FineTuneResult } from '../../contracts/fine-tune.ts';
import type { StageResult } from '../../contracts/runs.ts';
import { planning } from '../base/activity-profiles.ts';
import { bestEvaluation, evaluateCheckpoints } from './evaluate-checkpoints.ts';
import { RunControls } from './run-controls.ts';
import { checkRunInput, checkSegment, typedInput } from './run-input.ts';
import { RunStatus } from './run-status.ts';
import { prepareArtifacts, stageInput, trainAsChild } from './run-steps.ts';

const { resolveFineTune } = proxyActivities<PlanActivities>(planning);

export async function fineTune(given?: FineTuneInput): Promise<FineTuneResult> {
  const run = workflowInfo().workflowId;
  const config = checkRunInput(run, typedInput(given), undefined);
  const { trial, until } = checkSegment(given);
  const status = new RunStatus(run, config);
  const controls = new RunControls(run, status);
  try {
    const summary = `resolve and check '${config}'`;
    const resolved = await resolveFineTune.executeWithOptions({ ...planning, summary }, [
      { run, config, ...(trial && { trial }) },
    ]);
    const { plan, done } = resolved;
    status.planned(plan.variant, [plan.stage.stage], plan.warnings);
    const stage =
      done === undefined ? await train(run, resolved, until, status, controls) : reuse(done, status);
    const evaluations = await evaluateCheckpoints({ run, plan, status, isTrial: trial !== undefined }, stage);
    const best = bestEvaluation(plan, evaluations);
    status.update({ phase: 'done' });
    return {
      ...{ run, stage, evaluations, gpuHours: gpuHours(plan, stage) },
      ...(best && { best }),
      ...(done !== undefined && { reused: true }),
    };
  } catch (error) {
    status.update({ phase: 'failed' });
    throw error;
  }
}

async function train(
  run: string,
  { plan, changes }: ResolvedFineTune,
  until: number | undefined,
  status: RunStatus,
  controls: RunControls,
): Promise<StageResult> {
  const prepared = await prepareArtifacts(run, plan.artifacts, status);
  status.update({ phase: 'training' });
  const input = stageInput(run, plan.stage, [], prepared, changes);
  return controls.during({ ...input, ...(until !== undefined && { until }) }, (one) =>
    trainAsChild(one, status),
  );
}

/** Trained by an earlier execution of this run. */
function reuse(result: StageResult, status: RunStatus): StageResult {
  status.updateStage({ stage: result.stage, status: 'done', result, reused: true });
  return result;
}

function gpuHours({ stage: { gang } }: FineTunePlan, { trainedSeconds = 0 }: StageResult): number {
  return (gang.hosts * gang.gpusPerHost * trainedSeconds) / 3600;
}
