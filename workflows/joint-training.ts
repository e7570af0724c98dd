/**
 * One run of a plan: Stage 1 → 2 → 3, each from the proven final weights of the one before. A run that is started
 * again under the same id does only what is missing.
 */
import {
  ApplicationFailure,
  executeChild,
  ParentClosePolicy,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { PlanActivities } from '../contracts/activities.ts';
import { runIdProblem, stageWorkflowId, weightsWorkflowId } from '../contracts/ids.ts';
import type { Plan, StagePlan } from '../contracts/plan.ts';
import type {
  JointTrainingInput,
  JointTrainingResult,
  RunState,
  StageResult,
  StageStatus,
} from '../contracts/runs.ts';
import type { InitialWeights } from '../contracts/training.ts';
import type { PlacedFile, PreparedArtifact } from '../contracts/weights.ts';
import { planning } from './activity-profiles.ts';
import { runStateQuery } from './messages.ts';
import { onceFree } from './once-free.ts';
import { prepareWeights } from './prepare-weights.ts';
import { checkRoom } from './room.ts';
import { trainStage } from './train-stage.ts';

/** Runs that began before do without. */
const ROOM_CHECKED = 'room is checked before a stage';

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
      stages: plan.stages.map(({ stage }) => ({ stage, status: 'waiting' })),
      warnings: plan.warnings.map(({ file, key, message }) => `${file}: ${key}: ${message}`),
    });
    const prepared = await prepare(plan);
    show({ phase: 'training' });
    const results: StageResult[] = [];
    for (const stagePlan of plan.stages) {
      const { stage } = stagePlan;
      const earlier = done.find((result) => result.stage === stage);
      if (earlier === undefined)
        showStage({ stage, status: 'running', workflowId: stageWorkflowId(run, stage) });
      const result = earlier ?? (await train(stagePlan, results, prepared));
      showStage({ stage, status: 'done', result, reused: earlier !== undefined });
      results.push(result);
    }
    show({ phase: 'done' });
    return { run, stages: results };
  } catch (error) {
    show({ phase: 'failed' });
    throw error;
  }

  /** Before any host is leased: GPUs must not wait for a download. */
  async function prepare({ artifacts = [] }: Plan): Promise<readonly PreparedArtifact[]> {
    if (artifacts.length === 0) return [];
    const workflowId = weightsWorkflowId(run);
    show({ phase: 'preparing weights', weights: artifacts.map(({ name }) => ({ name, status: 'waiting' })) });
    const prepared = await onceFree('wait for an earlier preparation of this run to end', () =>
      executeChild(prepareWeights, {
        workflowId,
        args: [{ artifacts }],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        staticSummary: `${run}: ${artifacts.map(({ name }) => name).join(', ')}`,
      }),
    );
    show({ weights: prepared.map((artifact) => ({ name: artifact.name, status: 'ready', artifact })) });
    return prepared;
  }

  /** The stage of an execution that was terminated may still be ending its trainers. */
  async function train(
    plan: StagePlan,
    results: readonly StageResult[],
    prepared: readonly PreparedArtifact[],
  ): Promise<StageResult> {
    const { stage, gang } = plan;
    const weights = initialWeights(plan, results, prepared);
    const files = placedFiles(plan, prepared);
    const input = { run, plan, weights, ...(files.length > 0 && { files }) };
    if (patched(ROOM_CHECKED)) await checkRoom(input);
    return onceFree(`wait for an earlier ${stage} of this run to end`, () =>
      executeChild(trainStage, {
        workflowId: stageWorkflowId(run, stage),
        args: [input],
        // Asked, not terminated: the stage kills its trainers and returns its hosts.
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        staticSummary: `${run}: ${stage}, ${String(plan.maxIterations)} iterations on ${String(gang.hosts)} × ${String(gang.gpusPerHost)} GPUs`,
      }),
    );
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
function initialWeights(
  { stage, weights }: StagePlan,
  results: readonly StageResult[],
  prepared: readonly PreparedArtifact[],
): InitialWeights {
  switch (weights.kind) {
    case 'checkout':
    case 'artifact':
      return weights;
    case 'prepared':
      return { kind: 'artifact', artifact: findPrepared(prepared, weights.artifact) };
    case 'stage': {
      const before = results.find((result) => result.stage === weights.stage);
      if (before !== undefined) return { kind: 'artifact', artifact: before.artifact };
      throw invalid(`${stage} begins from the weights of ${weights.stage}, which is not part of this run`);
    }
  }
}

function placedFiles({ files = [] }: StagePlan, prepared: readonly PreparedArtifact[]): PlacedFile[] {
  return files.map(({ artifact, path }) => ({ path, file: findPrepared(prepared, artifact) }));
}

function findPrepared(prepared: readonly PreparedArtifact[], name: string): PreparedArtifact {
  const found = prepared.find((artifact) => artifact.name === name);
  if (found !== undefined) return found;
  throw invalid(`artifact '${name}' is needed and was not prepared`);
}

function invalid(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'InvalidConfig', message, nonRetryable: true });
}
