/**
 * @module How the state of a stage changes: pure, plain JSON.
 */
import type { NamedFailure } from '../contracts/failures.ts';
import type { RunEvent, StageState } from '../contracts/runs.ts';

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

/** A new attempt has claimed the head: what S3 holds is the progress so far, and refills the budget when it grew. */
export function afterOpening(state: StageState, committedIterations: number): StageState {
  const progressed = committedIterations > state.committedIterations;
  return {
    ...state,
    committedIterations,
    attemptsWithoutProgress: progressed ? 0 : state.attemptsWithoutProgress,
  };
}

export function afterFailure(
  state: StageState,
  failure: NamedFailure,
  iterationsRun: number,
  at: number,
): StageState {
  const failed = {
    ...state,
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
