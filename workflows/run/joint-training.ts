/**
 * @module One run of a plan: Stage 1 → 2 → 3, each from the proven final weights of the one before. A run that is started
 * again under the same id does only what is missing.
 */
import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { PlanActivities } from '../../contracts/activities.ts';
import type { JointTrainingInput, JointTrainingResult, StageResult } from '../../contracts/runs.ts';
import { planning } from '../base/activity-profiles.ts';
import { RunControls } from './run-controls.ts';
import { checkRunInput } from './run-input.ts';
import { RunStatus } from './run-status.ts';
import { prepareArtifacts, stageInput, trainAsChild } from './run-steps.ts';

const { resolvePlan } = proxyActivities<PlanActivities>(planning);

export async function jointTraining(input?: JointTrainingInput): Promise<JointTrainingResult> {
  const run = workflowInfo().workflowId;
  const config = checkRunInput(run, input, 'joint/lite');
  const status = new RunStatus(run, config);
  const controls = new RunControls(run, status);
  try {
    const stages = await trainStages(run, config, status, controls);
    status.update({ phase: 'done' });
    return { run, stages };
  } catch (error) {
    status.update({ phase: 'failed' });
    throw error;
  }
}

async function trainStages(
  run: string,
  config: string,
  status: RunStatus,
  controls: RunControls,
): Promise<readonly StageResult[]> {
  const summary = `resolve and check '${config}'`;
  const { plan, done, changes } = await resolvePlan.executeWithOptions({ ...planning, summary }, [
    { run, config },
  ]);
  const names = plan.stages.map(({ stage }) => stage);
  status.planned(plan.variant, names, plan.warnings);
  const prepared = await prepareArtifacts(run, plan.artifacts, status);
  status.update({ phase: 'training' });
  const results: StageResult[] = [];
  for (const stagePlan of plan.stages) {
    const { stage } = stagePlan;
    const earlier = done.find((result) => result.stage === stage);
    if (earlier !== undefined) status.updateStage({ stage, status: 'done', result: earlier, reused: true });
    const train = () =>
      controls.during(stageInput(run, stagePlan, results, prepared, changes), (given) =>
        trainAsChild(given, status),
      );
    results.push(earlier ?? (await train()));
  }
  return results;
}
