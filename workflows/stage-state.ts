/**
 * @module How the state of a stage changes: pure, plain JSON.
 */
import { classOf, type NamedFailure } from '../contracts/failures.ts';
import type { StageLimits } from '../contracts/plan.ts';
import type { RunEvent, StageState } from '../contracts/runs.ts';

import { budgetLimit, type Standing } from './recovery.ts';

/** Events kept in the state; older ones remain in Temporal's history. */
const MAX_EVENTS = 50;

export const initialStageState: StageState = {
  phase: 'waiting for hosts',
  attempt: 0,
  token: 0,
  hosts: [],
  committedIterations: 0,
  attemptsWithoutProgress: 0,
  avoid: [],
  iterationsRun: 0,
  events: [],
};

export function withEvent(state: StageState, event: RunEvent): StageState {
  return { ...state, events: [...state.events, event].slice(-MAX_EVENTS) };
}

/** A new attempt has claimed the head: what S3 holds is the progress so far, and refills the budgets when it is more than ever. */
export function afterOpening(state: StageState, committedIterations: number): StageState {
  const { goBack, bestIterations = state.committedIterations, ...rest } = state;
  const opened = {
    ...rest,
    committedIterations,
    bestIterations: Math.max(bestIterations, committedIterations),
  };
  if (committedIterations <= bestIterations) return opened;
  const { budgets, wentBack, ...fresh } = opened;
  return { ...fresh, attemptsWithoutProgress: 0 };
}

export function afterFailure(
  state: StageState,
  failure: NamedFailure,
  {
    iterationsRun,
    at,
    limits,
  }: { readonly iterationsRun: number; readonly at: number; readonly limits: StageLimits },
): StageState {
  const failureClass = classOf(failure.type);
  const spent = (failureClass && state.budgets?.[failureClass]?.spent) ?? 0;
  const budget = { spent: spent + 1, limit: budgetLimit(failure.type, limits) };
  const failed = {
    ...state,
    ...(failureClass && { budgets: { ...state.budgets, [failureClass]: budget } }),
    attemptsWithoutProgress: state.attemptsWithoutProgress + 1,
    iterationsRun: state.iterationsRun + iterationsRun,
    failures: (state.failures ?? 0) + 1,
    ...(failure.damaged !== undefined && { damaged: [...(state.damaged ?? []), failure.damaged] }),
  };
  const where = failure.host === undefined ? '' : ` on ${failure.host}`;
  return withEvent(failed, {
    at,
    failure: failure.type,
    text: `attempt ${String(state.attempt)} failed${where}: ${failure.type}: ${failure.message}`,
  });
}

/** @param isByClass False in stages that began when all failures counted alike. */
export function standingOf(
  { attemptsWithoutProgress: attempts, budgets, wentBack }: StageState,
  { type }: NamedFailure,
  limits: StageLimits,
  isByClass: boolean,
): Standing {
  const failureClass = classOf(type);
  const own = failureClass && budgets?.[failureClass];
  if (isByClass && own !== undefined) return { attempts, budget: own, wentBack: wentBack === true };
  return { attempts, budget: { spent: attempts, limit: limits.attemptsWithoutProgress }, wentBack: false };
}
