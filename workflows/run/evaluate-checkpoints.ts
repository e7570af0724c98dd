/** @module The evaluations of a fine-tune: which of its checkpoints, and which of them is the best. */
import { executeChild, ParentClosePolicy, proxyActivities } from '@temporalio/workflow';
import type { PlanActivities } from '../../contracts/activities.ts';
import { describeRef } from '../../contracts/checkpoints.ts';
import type { EvaluationResult } from '../../contracts/evaluation.ts';
import { bestOf, type FineTunePlan } from '../../contracts/fine-tune.ts';
import { evaluationWorkflowId } from '../../contracts/ids.ts';
import type { StageResult } from '../../contracts/runs.ts';
import { planning } from '../base/activity-profiles.ts';
import { invalid } from '../base/errors.ts';
import { evaluate } from './evaluate.ts';
import { onceFree } from './once-free.ts';
import type { RunStatus } from './run-status.ts';

const { listCheckpoints } = proxyActivities<PlanActivities>(planning);

interface FineTuneRun {
  readonly run: string;
  readonly plan: FineTunePlan;
  readonly status: RunStatus;
  /** Of a sweep, which compares its trials where they are now. */
  readonly isTrial: boolean;
}

/** One after the other, on one host each: an evaluation is short beside the training. */
export async function evaluateCheckpoints(
  { run, plan, status, isTrial }: FineTuneRun,
  { artifact }: StageResult,
): Promise<readonly EvaluationResult[]> {
  const { datasets } = plan.evaluation;
  if (datasets.length === 0) return [];
  status.update({ phase: 'evaluating', evaluations: [] });
  const evaluations: EvaluationResult[] = [];
  const chosen = isTrial ? [artifact.iterations] : await choose(run, plan, artifact.iterations);
  for (const iterations of chosen) {
    const checkpoint = describeRef({ run, stage: plan.stage.stage, which: iterations });
    status.update({ evaluating: checkpoint });
    const evaluation = await onceFree('wait for an earlier evaluation of this run to end', () =>
      executeChild(evaluate, {
        workflowId: evaluationWorkflowId(run, iterations),
        args: [{ checkpoint, datasets }],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        staticSummary: `${checkpoint} on ${datasets.join(', ')}`,
      }),
    );
    evaluations.push(evaluation);
    status.evaluated([...evaluations]);
  }
  return evaluations;
}

/** Undefined where nothing was evaluated. @throws InvalidConfig for a metric that no evaluation has: another best one would hide the mistake. */
export function bestEvaluation(
  { evaluation, config }: FineTunePlan,
  evaluations: readonly EvaluationResult[],
): EvaluationResult | undefined {
  const best = bestOf(evaluation, evaluations);
  if (best !== undefined || evaluations.length === 0) return best;
  const metrics = evaluations.flatMap((one) => one.metrics.map(({ metric }) => metric));
  const known = [...new Set(metrics)].join(', ') || 'none';
  throw invalid(
    `${config}: evaluation.metric is '${evaluation.metric ?? ''}', which no evaluation has; there are: ${known}`,
  );
}

/** Iterations of the checkpoints that the config asks for. */
async function choose(
  run: string,
  { stage: { stage }, evaluation: { checkpoints } }: FineTunePlan,
  final: number,
): Promise<readonly number[]> {
  if (checkpoints === 'final') return [final];
  const summary = `list the checkpoints of ${stage}`;
  const kept = await listCheckpoints.executeWithOptions({ ...planning, summary }, [{ run, stage }]);
  return checkpoints === 'kept' ? kept : kept.filter((one) => one === final || checkpoints.includes(one));
}
