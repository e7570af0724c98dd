/**
 * A fine-tune: one stage on one task, then the evaluation of the checkpoints asked for, of which the best is named. One
 * that is started again under the same id does only what is missing.
 */
import {
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { PlanActivities, RunChanges } from '../../contracts/activities.ts';
import { describeRef } from '../../contracts/checkpoints.ts';
import type { EvaluationResult } from '../../contracts/evaluation.ts';
import {
  bestOf,
  type FineTuneInput,
  type FineTunePlan,
  type FineTuneResult,
} from '../../contracts/fine-tune.ts';
import { evaluationWorkflowId } from '../../contracts/ids.ts';
import { markdownText } from '../../contracts/markdown.ts';
import type { RunState, StageResult, StageStatus, TrainStageInput } from '../../contracts/runs.ts';
import { planning } from '../base/activity-profiles.ts';
import { evaluate } from './evaluate.ts';
import { invalid } from '../base/errors.ts';
import { runStateQuery } from '../base/messages.ts';
import { onceFree } from './once-free.ts';
import { RunControls } from './run-controls.ts';
import { checkLeg, checkRunInput, typedInput } from './run-input.ts';
import { prepareArtifacts, stageInput, trainAsChild } from './run-steps.ts';

const plans = proxyActivities<PlanActivities>(planning);

export async function fineTune(given?: FineTuneInput): Promise<FineTuneResult> {
  const run = workflowInfo().workflowId;
  const config = checkRunInput(run, typedInput(given), undefined);
  const { trial, until } = checkLeg(given);
  let state: RunState = { run, config, variant: null, phase: 'planning', stages: [], warnings: [] };
  setHandler(runStateQuery, () => state);
  const controls = new RunControls(run, { show, showStage });

  try {
    const summary = `resolve and check '${config}'`;
    const { plan, done, changes } = await plans.resolveFineTune.executeWithOptions({ ...planning, summary }, [
      { run, config, ...(trial && { trial }) },
    ]);
    const { stage } = plan.stage;
    show({
      variant: plan.variant,
      stages: [{ stage, status: 'waiting' }],
      warnings: plan.warnings.map(({ file, key, message }) => `${file}: ${key}: ${message}`),
    });
    if (done !== undefined) showStage({ stage, status: 'done', result: done, reused: true });
    const result = done ?? (await train(plan, changes));
    const evaluations = await evaluateAll(plan, result);
    const best = bestEvaluation(plan, evaluations);
    show({ phase: 'done' });
    return {
      ...{ run, stage: result, evaluations, gpuHours: gpuHours(plan, result) },
      ...(best && { best }),
      ...(done !== undefined && { reused: true }),
    };
  } catch (error) {
    show({ phase: 'failed' });
    throw error;
  }

  async function train({ artifacts, stage }: FineTunePlan, changes?: RunChanges): Promise<StageResult> {
    const prepared = await prepareArtifacts(run, artifacts, show);
    show({ phase: 'training' });
    const input = { ...stageInput(run, stage, [], prepared, changes), ...(until !== undefined && { until }) };
    return controls.during(input, (one: TrainStageInput) => trainAsChild(one, showStage));
  }

  /** One after the other, on one host each: the figures are small beside the training. */
  async function evaluateAll(plan: FineTunePlan, { artifact }: StageResult): Promise<EvaluationResult[]> {
    if (plan.evaluation.datasets.length === 0) return [];
    show({ phase: 'evaluating', evaluations: [] });
    const evaluations: EvaluationResult[] = [];
    // A sweep compares its trials where they are now.
    const asked = trial === undefined ? await wanted(plan, artifact.iterations) : [artifact.iterations];
    for (const iterations of asked) {
      const checkpoint = describeRef({ run, stage: plan.stage.stage, which: iterations });
      const { datasets } = plan.evaluation;
      show({ evaluating: checkpoint });
      evaluations.push(
        await onceFree('wait for an earlier evaluation of this run to end', () =>
          executeChild(evaluate, {
            workflowId: evaluationWorkflowId(run, iterations),
            args: [{ checkpoint, datasets }],
            parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
            staticSummary: `${checkpoint} on ${datasets.join(', ')}`,
          }),
        ),
      );
      const { evaluating, ...rest } = state;
      state = { ...rest, evaluations: [...evaluations] };
    }
    return evaluations;
  }

  async function wanted(
    { stage: { stage }, evaluation: { checkpoints } }: FineTunePlan,
    final: number,
  ): Promise<readonly number[]> {
    if (checkpoints === 'final') return [final];
    const summary = `list the checkpoints of ${stage}`;
    const there = await plans.listCheckpoints.executeWithOptions({ ...planning, summary }, [{ run, stage }]);
    return checkpoints === 'kept' ? there : there.filter((one) => one === final || checkpoints.includes(one));
  }

  function showStage(status: StageStatus): void {
    show({ stages: [status] });
  }

  function show(change: Partial<RunState>): void {
    state = { ...state, ...change };
    setCurrentDetails(`**${markdownText(state.config)}**: ${state.phase}`);
  }
}

/** A metric that no evaluation has is a mistake in the config: to name no best, or any, would hide it. */
function bestEvaluation(
  { evaluation, config }: FineTunePlan,
  evaluations: readonly EvaluationResult[],
): EvaluationResult | undefined {
  const best = bestOf(evaluation, evaluations);
  if (best !== undefined || evaluations.length === 0) return best;
  const there = [...new Set(evaluations.flatMap(({ metrics }) => metrics.map(({ metric }) => metric)))];
  throw invalid(
    `${config}: evaluation.metric is '${evaluation.metric ?? ''}', which no evaluation has; there are: ${there.join(', ') || 'none'}`,
  );
}

function gpuHours({ stage: { gang } }: FineTunePlan, { trainedSeconds = 0 }: StageResult): number {
  return (gang.hosts * gang.gpusPerHost * trainedSeconds) / 3600;
}
