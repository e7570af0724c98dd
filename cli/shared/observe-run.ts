/**
 * @module What a run is doing, from Temporal alone: status, the run's and the stage's own word, the hosts' heartbeats.
 */
import { WorkflowFailedError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { z } from 'zod';
import { isFailureType } from '../../contracts/failures.ts';
import { parseCheckpointRef } from '../../contracts/checkpoints.ts';
import type { EvaluationResult } from '../../contracts/evaluation.ts';
import type { FineTuneResult } from '../../contracts/fine-tune.ts';
import { evaluationWorkflowId, stageWorkflowId, weightsWorkflowId } from '../../contracts/ids.ts';
import type { JointTrainingResult, RunState, StageState } from '../../contracts/runs.ts';
import { PHASES, type Progress } from '../../contracts/training.ts';
import { runStateQuery, stageStateQuery } from '../../workflows/base/messages.ts';
import { describeKnown, RUNS } from './known-run.ts';
import { heartbeats, pendingTroubles, unlessMissing } from './pending.ts';
import { observePreparation, type ArtifactSnapshot } from './preparation.ts';

export interface RunSnapshot {
  readonly run: string;
  readonly status: string;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
  /** Null while no control worker answers. */
  readonly state: RunState | null;
  /** How far the weights are; empty but while they are prepared. */
  readonly weights: readonly ArtifactSnapshot[];
  /** The newest stage that has begun. */
  readonly stage: {
    readonly name: string;
    readonly state: StageState | null;
    readonly hosts: readonly Progress[];
  } | null;
  /** Of a fine-tune, as far as they are. */
  readonly evaluations: readonly EvaluationResult[];
  /** The checkpoint that is the best of them; null before all are there. */
  readonly best: string | null;
  /** While one of its checkpoints is evaluated. */
  readonly evaluation: { readonly checkpoint: string; readonly doing: string } | null;
  /** Why it failed, and what Temporal keeps retrying. */
  readonly troubles: readonly string[];
  readonly result: JointTrainingResult | null;
}

/** Undefined when there is no such run. @throws UserError when it is no run. */
export async function observeRun(client: Client, run: string): Promise<RunSnapshot | undefined> {
  const handle = client.workflow.getHandle(run);
  const description = await describeKnown(client, run, RUNS);
  if (description === undefined) return undefined;
  const state = await handle.query(runStateQuery).catch(() => null);
  const begun = state?.stages.findLast(({ status }) => status !== 'waiting');
  const stage = begun === undefined ? null : await observeStage(client, run, begun.stage);
  const ended = description.status.name !== 'RUNNING';
  const evaluation = ended ? null : await observeEvaluation(client, state?.evaluating);
  const preparing = !ended && state?.phase === 'preparing weights';
  const weights = preparing ? await observePreparation(client, weightsWorkflowId(run)) : [];
  const end = ended ? await resultOf(client, run, description.runId) : { result: null, troubles: [] };
  return {
    run,
    status: description.status.name,
    startedAt: description.startTime,
    endedAt: description.closeTime ?? null,
    state,
    weights,
    stage: stage && { name: stage.name, state: stage.state, hosts: stage.hosts },
    evaluations: end.result?.evaluations ?? state?.evaluations ?? [],
    best: end.result?.best?.checkpoint ?? null,
    evaluation: evaluation && { checkpoint: evaluation.checkpoint, doing: evaluation.doing },
    troubles: [
      ...pendingTroubles(description),
      ...weights.flatMap(({ troubles }) => troubles),
      ...(ended ? [] : (stage?.troubles ?? [])),
      ...(evaluation?.troubles ?? []),
      ...end.troubles,
    ],
    result: end.result,
  };
}

async function observeStage(client: Client, run: string, name: string) {
  const handle = client.workflow.getHandle(stageWorkflowId(run, name));
  const description = await unlessMissing(handle.describe());
  // A stage that an earlier start finished has no workflow of its own any more.
  if (description === undefined) return { name, state: null, hosts: [], troubles: [] };
  const state = await handle.query(stageStateQuery).catch(() => null);
  return { name, state, hosts: hostsOf(description), troubles: pendingTroubles(description) };
}

/** By what runs of it at the moment: its workflow need not answer. */
async function observeEvaluation(client: Client, checkpoint: string | undefined) {
  const ref = checkpoint === undefined ? undefined : parseCheckpointRef(checkpoint);
  if (checkpoint === undefined || ref === undefined || typeof ref.which !== 'number') return null;
  const handle = client.workflow.getHandle(evaluationWorkflowId(ref.run, ref.which));
  const description = await unlessMissing(handle.describe());
  if (description === undefined) return { checkpoint, doing: 'begins', troubles: [] };
  const activities = (description.raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name);
  const doing = activities.includes('evaluateOnHost')
    ? 'runs on a host'
    : activities.some((name) => name === 'checkHost' || name === 'checkCollective')
      ? 'checks its host'
      : activities.length > 0
        ? 'is being prepared'
        : 'waits for a host';
  return { checkpoint, doing, troubles: pendingTroubles(description) };
}

/** What the hosts of a stage said last: no workflow is asked, so it costs little and is there while none answers. */
export async function observeHosts(client: Client, run: string, stage: string): Promise<readonly Progress[]> {
  const description = await unlessMissing(client.workflow.getHandle(stageWorkflowId(run, stage)).describe());
  return description === undefined ? [] : hostsOf(description);
}

function hostsOf(description: WorkflowExecutionDescription): readonly Progress[] {
  return heartbeats(description, progressSchema).toSorted((a, b) => a.machineRank - b.machineRank);
}

const progressSchema: z.ZodType<Progress> = z.object({
  host: z.string(),
  machineRank: z.number(),
  attempt: z.number(),
  phase: z.enum(PHASES),
  uploading: z.boolean().exactOptional(),
  pid: z.number().exactOptional(),
  iteration: z.number().exactOptional(),
  maxIterations: z.number(),
  loss: z.number().exactOptional(),
  learningRate: z.number().exactOptional(),
  secondsPerIteration: z.number().exactOptional(),
  ownSecondsPerIteration: z.number().exactOptional(),
  etaSeconds: z.number().exactOptional(),
  memoryMiB: z.number().exactOptional(),
  committedIterations: z.number().exactOptional(),
  coverage: z.object({ keys: z.number(), parameters: z.number() }).exactOptional(),
  saveSeconds: z.number().exactOptional(),
  bestSaveSeconds: z.number().exactOptional(),
  note: z.string().exactOptional(),
});

/** Of a joint training or of a fine-tune. */
type AnyResult = JointTrainingResult & Partial<Pick<FineTuneResult, 'evaluations' | 'best'>>;

async function resultOf(
  client: Client,
  run: string,
  runId: string,
): Promise<{ readonly result: AnyResult | null; readonly troubles: readonly string[] }> {
  try {
    const result = await client.workflow.getHandle<(_: unknown) => Promise<AnyResult>>(run, runId).result();
    return { result, troubles: [] };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    return { result: null, troubles: [rootCause(error)] };
  }
}

/** The innermost failure is the one that tells; those around it say only who passed it on. */
export function rootCause(error: Error): string {
  let innermost: Error = error;
  let type: unknown;
  for (let next: unknown = error; next instanceof Error; next = next.cause) {
    innermost = next;
    if ('type' in next && typeof next.type === 'string' && isFailureType(next.type)) type = next.type;
  }
  return typeof type === 'string' ? `${type}: ${innermost.message}` : innermost.message;
}
