/**
 * @module People's orders on a sweep that runs: add a trial, stop one, or promote one whatever the rule says.
 */
import { setHandler, workflowInfo } from '@temporalio/workflow';
import { runIdProblem, trialRunId } from '../../contracts/ids.ts';
import type { Parsed } from '../../contracts/parsing.ts';
import { parseAddedTrial, parseTrialOrder } from '../../contracts/sweep-messages.ts';
import type { SweepState, Trial, TrialOrder } from '../../contracts/sweep.ts';
import { addTrialUpdate, promoteTrialUpdate, stopTrialUpdate } from '../base/messages.ts';
import { refused } from '../base/refused.ts';
import type { SweepRun } from './sweep-run.ts';
import { addProblem, orderProblem } from './sweep-state.ts';

export function answerSweepOrders(sweep: SweepRun): void {
  const id = workflowInfo().workflowId;
  const plannedState = () => (sweep.rules === undefined ? undefined : sweep.state);
  setHandler(
    addTrialUpdate,
    (input) => {
      const trial = orRefuse(parseAddedTrial(input));
      sweep.apply({ kind: 'added', trial });
      return `trial '${trial.id}' is added`;
    },
    { validator: (input) => checkAdded(id, plannedState(), orRefuse(parseAddedTrial(input))) },
  );
  setHandler(
    stopTrialUpdate,
    (input) => {
      const { trial, by, why } = orRefuse(parseTrialOrder(input));
      sweep.apply({ kind: 'stopped by a person', trial, why: `${why} (${by})` });
      return `trial '${trial}' is stopped, by ${by}: ${why}`;
    },
    { validator: (input) => checkOrder(plannedState(), orRefuse(parseTrialOrder(input))) },
  );
  setHandler(
    promoteTrialUpdate,
    (input) => {
      const { trial, by, why } = orRefuse(parseTrialOrder(input));
      sweep.apply({ kind: 'promoted by a person', trial });
      return `trial '${trial}' continues, by ${by}: ${why}`;
    },
    { validator: (input) => checkOrder(plannedState(), orRefuse(parseTrialOrder(input))) },
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
