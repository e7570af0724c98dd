/**
 * @module What people ask of a sweep that runs: a trial more, one stopped, one sent on whatever the rule says.
 */
import { setHandler } from '@temporalio/workflow';
import type { SweepEvent, SweepState, Trial, TrialOrder } from '../contracts/sweep.ts';
import { addTrialUpdate, promoteTrialUpdate, stopTrialUpdate } from './messages.ts';
import { refused } from './refused.ts';
import { addProblem, orderProblem } from './sweep-state.ts';

/** @param stateNow Undefined while the sweep is being planned. */
export function handleSweepOrders(
  stateNow: () => SweepState | undefined,
  happen: (event: SweepEvent) => void,
): void {
  setHandler(
    addTrialUpdate,
    (trial: Trial) => {
      happen({ kind: 'added', trial });
      return `trial '${trial.id}' is added`;
    },
    { validator: (trial: Trial) => refuse(stateNow(), (state) => addProblem(state, trial)) },
  );
  setHandler(
    stopTrialUpdate,
    ({ trial, by, why }: TrialOrder) => {
      happen({ kind: 'stopped by a person', trial, why: `${why} (${by})` });
      return `trial '${trial}' is stopped, by ${by}: ${why}`;
    },
    { validator: ({ trial }: TrialOrder) => refuse(stateNow(), (state) => orderProblem(state, trial)) },
  );
  setHandler(
    promoteTrialUpdate,
    ({ trial, by, why }: TrialOrder) => {
      happen({ kind: 'promoted by a person', trial });
      return `trial '${trial}' goes on, by ${by}: ${why}`;
    },
    { validator: ({ trial }: TrialOrder) => refuse(stateNow(), (state) => orderProblem(state, trial)) },
  );
}

function refuse(state: SweepState | undefined, problemOf: (state: SweepState) => string | undefined): void {
  const problem = state === undefined ? 'the sweep is still being planned' : problemOf(state);
  if (problem !== undefined) throw refused(problem);
}
