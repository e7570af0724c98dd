/**
 * One run of a plan: Stage 1 → 2 → 3, each from the proven final weights of the one before. A run that is started
 * again under the same id does only what is missing.
 */
import { proxyActivities, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import type { PlanActivities } from '../../contracts/activities.ts';
import { markdownText } from '../../contracts/markdown.ts';
import type {
  JointTrainingInput,
  JointTrainingResult,
  RunState,
  StageResult,
  StageStatus,
  TrainStageInput,
} from '../../contracts/runs.ts';
import { planning } from '../base/activity-profiles.ts';
import { runStateQuery } from '../base/messages.ts';
import { RunControls } from './run-controls.ts';
import { checkRunInput } from './run-input.ts';
import { prepareArtifacts, stageInput, trainAsChild } from './run-steps.ts';

const { resolvePlan } = proxyActivities<PlanActivities>(planning);

export async function jointTraining(input?: JointTrainingInput): Promise<JointTrainingResult> {
  const run = workflowInfo().workflowId;
  const config = checkRunInput(run, input, 'joint/lite');
  let state: RunState = { run, config, variant: null, phase: 'planning', stages: [], warnings: [] };
  setHandler(runStateQuery, () => state);
  const controls = new RunControls(run, { show, showStage });

  try {
    const summary = `resolve and check '${config}'`;
    const { plan, done, changes } = await resolvePlan.executeWithOptions({ ...planning, summary }, [
      { run, config },
    ]);
    show({
      variant: plan.variant,
      stages: plan.stages.map(({ stage }) => ({ stage, status: 'waiting' })),
      warnings: plan.warnings.map(({ file, key, message }) => `${file}: ${key}: ${message}`),
    });
    const prepared = await prepareArtifacts(run, plan.artifacts, show);
    show({ phase: 'training' });
    const results: StageResult[] = [];
    const train = (input: TrainStageInput) => trainAsChild(input, showStage);
    for (const stagePlan of plan.stages) {
      const { stage } = stagePlan;
      const earlier = done.find((result) => result.stage === stage);
      if (earlier !== undefined) showStage({ stage, status: 'done', result: earlier, reused: true });
      const next = () => controls.during(stageInput(run, stagePlan, results, prepared, changes), train);
      results.push(earlier ?? (await next()));
    }
    show({ phase: 'done' });
    return { run, stages: results };
  } catch (error) {
    show({ phase: 'failed' });
    throw error;
  }

  function showStage(status: StageStatus): void {
    show({ stages: state.stages.map((other) => (other.stage === status.stage ? status : other)) });
  }

  function show(change: Partial<RunState>): void {
    state = { ...state, ...change };
    const stages = state.stages.map(({ stage, status }) => `${stage} ${status}`).join(', ');
    setCurrentDetails(
      `**${markdownText(state.config)}**: ${state.phase}${stages === '' ? '' : `: ${stages}`}`,
    );
  }
}
