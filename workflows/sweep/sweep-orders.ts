/**
 * @module What people ask of a sweep that runs: a trial more, one stopped, one sent on whatever the rule says.
 */
import { setHandler, workflowInfo } from '@temporalio/workflow';
import { runIdProblem, trialRunId } from '../../contracts/ids.ts';
import type { Parsed } from '../../contracts/parsing.ts';
import { parseAddedTrial, parseTrialOrder } from '../../contracts/sweep-messages.ts';
import type { SweepEvent, SweepState, Trial, TrialOrder } from '../../contracts/sweep.ts';
import { addTrialUpdate, promoteTrialUpdate, stopTrialUpdate } from '../base/messages.ts';
import { refused } from '../base/refused.ts';
import { addProblem, orderProblem } from './sweep-state.ts';

/** @param stateNow Undefined while the sweep is being planned. */
export function handleSweepOrders(
  stateNow: () => SweepState | undefined,
  happen: (event: SweepEvent) => void,
): void {
  const sweep = workflowInfo().workflowId;
  setHandler(
    addTrialUpdate,
    (input) => {
      const trial = orRefuse(parseAddedTrial(input));
      happen({ kind: 'added', trial });
      return `trial '${trial.id}' is added`;
    },
    { validator: (input) => checkAdded(sweep, stateNow(), orRefuse(parseAddedTrial(input))) },
  );
  setHandler(
    stopTrialUpdate,
    (input) => {
      const { trial, by, why } = orRefuse(parseTrialOrder(input));
      happen({ kind: 'stopped by a person', trial, why: `${why} (${by})` });
      return `trial '${trial}' is stopped, by ${by}: ${why}`;
    },
    { validator: (input) => checkOrder(stateNow(), orRefuse(parseTrialOrder(input))) },
  );
  setHandler(
    promoteTrialUpdate,
    (input) => {
      const { trial, by, why } = orRefuse(parseTrialOrder(input));
      happen({ kind: 'promoted by a person', trial });
      return `trial '${trial}' goes on, by ${by}: ${why}`;
    },
    { validator: (input) => checkOrder(stateNow(), orRefuse(parseTrialOrder(input))) },
  );
}

function orRefuse<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) throw refused(parsed.problem);
  return parsed.value;
}

function checkAdded(sweep: string, state: SweepState | undefined, trial: Trial): void {
  const problem = runIdProblem(trialRunId(sweep, trial.id));
  if (problem !== undefined) throw refused(problem);
  refuse(state, (now) => addProblem(now, trial));
}

function checkOrder(state: SweepState | undefined, { trial }: TrialOrder): void {
  refuse(state, (now) => orderProblem(now, trial));
}

function refuse(state: SweepState | undefined, problemOf: (state: SweepState) => string | undefined): void {
  const problem = state === undefined ? 'the sweep is still being planned' : problemOf(state);
  if (problem !== undefined) throw refused(problem);
}
