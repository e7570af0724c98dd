/**
 * @module The steps of every run: prepare its weights, give a stage its input, train the stage as a child workflow.
 */
import { executeChild, ParentClosePolicy } from '@temporalio/workflow';
import type { RunChanges } from '../../contracts/activities.ts';
import { stageWorkflowId, weightsWorkflowId } from '../../contracts/ids.ts';
import type { StagePlan } from '../../contracts/plan.ts';
import type { StageResult, TrainStageInput } from '../../contracts/runs.ts';
import type { InitialWeights } from '../../contracts/training.ts';
import type { ArtifactPlan, PlacedFile, PreparedArtifact } from '../../contracts/weights.ts';
import { invalid } from '../base/errors.ts';
import { onceFree } from './once-free.ts';
import { prepareWeights } from './prepare-weights.ts';
import type { RunStatus } from './run-status.ts';
import { checkRoom } from './wait-for-room.ts';
import { trainStage } from '../stage/train-stage.ts';

/** Before any host is leased: GPUs must not wait for a download. */
export async function prepareArtifacts(
  run: string,
  artifacts: readonly ArtifactPlan[] = [],
  status: RunStatus,
): Promise<readonly PreparedArtifact[]> {
  if (artifacts.length === 0) return [];
  const workflowId = weightsWorkflowId(run);
  status.update({
    phase: 'preparing weights',
    weights: artifacts.map(({ name }) => ({ name, status: 'waiting' })),
  });
  const prepared = await onceFree('wait for an earlier preparation of this run to end', () =>
    executeChild(prepareWeights, {
      workflowId,
      args: [{ artifacts }],
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `${run}: ${artifacts.map(({ name }) => name).join(', ')}`,
    }),
  );
  status.update({
    weights: prepared.map((artifact) => ({ name: artifact.name, status: 'ready', artifact })),
  });
  return prepared;
}

export function stageInput(
  run: string,
  plan: StagePlan,
  results: readonly StageResult[],
  prepared: readonly PreparedArtifact[],
  changed: RunChanges = {},
): TrainStageInput {
  const changes = changed[plan.stage];
  const files = placedFiles(plan, prepared);
  const weights = initialWeights(plan, results, prepared);
  return { run, plan, weights, ...(files.length > 0 && { files }), ...(changes && { changes }) };
}

/** The stage of an execution that was terminated may still be ending its trainers. */
export async function trainAsChild(input: TrainStageInput, status: RunStatus): Promise<StageResult> {
  const { run, plan } = input;
  const { stage, gang, maxIterations } = plan;
  const workflowId = stageWorkflowId(run, stage);
  status.updateStage({ stage, status: 'running', workflowId });
  await checkRoom(input);
  return onceFree(`wait for an earlier ${stage} of this run to end`, () =>
    executeChild(trainStage, {
      workflowId,
      args: [input],
      // Asked, not terminated: the stage kills its trainers and returns its hosts.
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `${run}: ${stage}, ${maxIterations} iterations on ${gang.hosts} × ${gang.gpusPerHost} GPUs`,
    }),
  );
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
