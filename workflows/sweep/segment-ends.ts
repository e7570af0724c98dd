/** @module What the end of a trial's segment says of the trial. Pure. */
import { ActivityFailure, ChildWorkflowFailure, isCancellation } from '@temporalio/workflow';
import { scoreOf, type FineTuneResult } from '../../contracts/fine-tune.ts';
import type { StageResult } from '../../contracts/runs.ts';
import type { SweepEvent, SweepRules, TrialState } from '../../contracts/sweep.ts';
import { iterationsAt } from './sweep-state.ts';
import type { SegmentEnd } from './trial-segments.ts';
import { messageOf } from '../../contracts/error-message.ts';

/** @param trial As it was when the segment began. */
export function afterSegment(rules: SweepRules, trial: TrialState, end: SegmentEnd): SweepEvent {
  if ('result' in end) return afterResult(rules, trial, end.result);
  const gpuHours = trial.gpuHours + end.gpuHours;
  if (isCancellation(end.error)) return { kind: 'segment ended', trial: trial.id, gpuHours, final: false };
  return { kind: 'failed', trial: trial.id, why: rootMessage(end.error), gpuHours };
}

function afterResult(
  rules: SweepRules,
  trial: TrialState,
  { stage, evaluations, gpuHours, reused }: FineTuneResult,
): SweepEvent {
  const { iterations } = stage.artifact;
  const evaluation = evaluations.find((one) => one.iterations === iterations);
  const value = evaluation && scoreOf(evaluation, rules.metric.name);
  const until = iterationsAt(rules.rule, trial.rung);
  return {
    kind: 'segment ended',
    trial: trial.id,
    gpuHours: trial.gpuHours + gpuHours,
    // A trainer that cannot rest trains to its end, and one whose end is not beyond the rung is there as well.
    final: until === undefined || iterations > until || isFinal(stage),
    ...(value !== undefined && { report: { iterations, value } }),
    ...(reused && { reused }),
  };
}

/** A checkpoint that is not the stage's last one has its iterations in its name. */
function isFinal({ stage, artifact: { name } }: StageResult): boolean {
  return name.endsWith(`/${stage}`);
}

function rootMessage(error: unknown): string {
  const passesOn = error instanceof ChildWorkflowFailure || error instanceof ActivityFailure;
  if (passesOn && error.cause !== undefined) return rootMessage(error.cause);
  return messageOf(error);
}
