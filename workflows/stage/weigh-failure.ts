/** @module What follows from a failed attempt, of a stage or of an evaluation. */
import { workflowInfo } from '@temporalio/workflow';
import type { StageLimits } from '../../contracts/plan.ts';
import type { HostBlame } from '../../contracts/pool.ts';
import type { StageState } from '../../contracts/runs.ts';
import type { FailedAttempt } from './gang.ts';
import { noneLeft } from './lacking-steps.ts';
import { backoffMs, blamesOf, decide, type Decision } from './recovery.ts';
import { afterFailure, standingOf } from './stage-state.ts';

export type Failed = Pick<FailedAttempt, 'failure' | 'unfit'> & {
  readonly iterationsRun?: number;
  /** Other hosts are tried first. */
  readonly elsewhere: boolean;
  /** Its hosts lack something that the plan needs. */
  readonly lacks: boolean;
};

export interface Weighed {
  /** With the failure in it. */
  readonly state: StageState;
  readonly decision: Decision;
  readonly blames: readonly HostBlame[];
}

/** @param before The state as it is now: give it after the last await, as a person may change it meanwhile. */
export function weighFailure(
  before: StageState,
  limits: StageLimits,
  { failure, unfit, iterationsRun = 0, elsewhere, lacks }: Failed,
): Weighed {
  const ended = { iterationsRun, at: Date.now(), limits, spendsBudget: !elsewhere };
  const state = afterFailure(before, failure, ended);
  const standing = standingOf(state, failure, limits);
  const decision: Decision = elsewhere
    ? { kind: 'elsewhere', afterMs: backoffMs(standing.attempts), avoid: [] }
    : decide(lacks ? noneLeft(failure, state) : failure, standing);
  const blames = unfit?.blames ?? blamesOf(failure, workflowInfo().workflowId, standing);
  return { state, decision, blames };
}
