/**
 * One run of a plan: Stage 1 → 2 → 3, each from the proven final weights of the one before. A run that is started
 * again under the same id does only what is missing.
 */
import {
  ApplicationFailure,
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { PlanActivities } from '../contracts/activities.ts';
import { runIdProblem, stageWorkflowId } from '../contracts/ids.ts';
import type { StagePlan } from '../contracts/plan.ts';
import type {
  JointTrainingInput,
  JointTrainingResult,
  RunState,
  StageResult,
  StageStatus,
} from '../contracts/runs.ts';
import type { InitialWeights } from '../contracts/training.ts';
import { planning } from './activity-profiles.ts';
import { runStateQuery } from './messages.ts';
import { trainStage } from './train-stage.ts';

const { resolvePlan } = proxyActivities<PlanActivities>(planning);

export async function jointTraining(input?: JointTrainingInput): Promise<JointTrainingResult> {
  const run = workflowInfo().workflowId;
  const config = checkInput(run, input);
  let state: RunState = { run, config, variant: null, phase: 'planning', stages: [], warnings: [] };
  setHandler(runStateQuery, () => state);

  try {
    const summary = `resolve and check '${config}'`;
    const { plan, done } = await resolvePlan.executeWithOptions({ ...planning, summary }, [{ run, config }]);
    show({
      variant: plan.variant,
      phase: 'training',
      stages: plan.stages.map(({ stage }) => ({ stage, status: 'waiting' })),
      warnings: plan.warnings.map(({ file, key, message }) => `${file}: ${key}: ${message}`),
    });
    const results: StageResult[] = [];
    for (const stagePlan of plan.stages) {
      const { stage } = stagePlan;
      const earlier = done.find((result) => result.stage === stage);
      if (earlier === undefined)
        showStage({ stage, status: 'running', workflowId: stageWorkflowId(run, stage) });
      const result = earlier ?? (await trainOnceFree(stagePlan, initialWeights(stagePlan, results)));
      showStage({ stage, status: 'done', result, reused: earlier !== undefined });
      results.push(result);
    }
    show({ phase: 'done' });
    return { run, stages: results };
  } catch (error) {
    show({ phase: 'failed' });
    throw error;
  }

  /** The stage of an execution that was terminated may still be ending its trainers. */
  async function trainOnceFree(plan: StagePlan, weights: InitialWeights): Promise<StageResult> {
    for (let waitMs = 1000; ; waitMs *= 2) {
      try {
        return await train(plan, weights);
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        await sleep(waitMs, { summary: `wait for an earlier ${plan.stage} of this run to end` });
      }
    }
  }

  function train(plan: StagePlan, weights: InitialWeights): Promise<StageResult> {
    const { hosts, gpusPerHost } = plan.gang;
    return executeChild(trainStage, {
      workflowId: stageWorkflowId(run, plan.stage),
      args: [{ run, plan, weights }],
      // Asked, not terminated: the stage kills its trainers and returns its hosts.
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `${run}: ${plan.stage}, ${String(plan.maxIterations)} iterations on ${String(hosts)} × ${String(gpusPerHost)} GPUs`,
    });
  }

  function showStage(status: StageStatus): void {
    show({ stages: state.stages.map((other) => (other.stage === status.stage ? status : other)) });
  }

  function show(change: Partial<RunState>): void {
    state = { ...state, ...change };
    const stages = state.stages.map(({ stage, status }) => `${stage} ${status}`).join(', ');
    setCurrentDetails(`**${state.config}**: ${state.phase}${stages === '' ? '' : `: ${stages}`}`);
  }
}

/** Anything but an ApplicationFailure thrown here would be retried for ever and look like a hang. */
function checkInput(run: string, input: unknown): string {
  const invalid = (message: string) =>
    ApplicationFailure.create({ type: 'InvalidConfig', message, nonRetryable: true });
  const badRun = runIdProblem(run);
  if (badRun !== undefined) throw invalid(badRun);
  if (input === undefined || input === null) return 'joint/lite';
  if (typeof input !== 'object' || Array.isArray(input)) {
    throw invalid(`input must be an object like {"config":"joint/lite"}, not ${JSON.stringify(input)}`);
  }
  const { config = 'joint/lite', ...unknown }: { readonly config?: unknown } = input;
  const [key] = Object.keys(unknown);
  if (key !== undefined) throw invalid(`input has an unknown key '${key}'; 'config' is the only one`);
  if (typeof config !== 'string')
    throw invalid(`input.config must be a name like 'joint/lite', not ${JSON.stringify(config)}`);
  return config;
}

/** The hand-over: what a stage begins from is named by checksum, never by a path that a config happens to hold. */
function initialWeights({ stage, weights }: StagePlan, results: readonly StageResult[]): InitialWeights {
  if (weights.kind !== 'stage') return weights;
  const before = results.find((result) => result.stage === weights.stage);
  if (before !== undefined) return { kind: 'artifact', artifact: before.artifact };
  const message = `${stage} begins from the weights of ${weights.stage}, which is not part of this run`;
  throw ApplicationFailure.create({ type: 'InvalidConfig', message, nonRetryable: true });
}
