/**
 * @module What a person may ask of a stage, and what becomes of it: pure decisions on its state.
 */
import { hasArrived, type Checkpoint } from '../../contracts/checkpoints.ts';
import type { Control, ControlReason } from '../../contracts/controls.ts';
import type { NamedFailure } from '../../contracts/failures.ts';
import type { ConfigValue, Overrides, StagePlan } from '../../contracts/plan.ts';
import type { StageState } from '../../contracts/runs.ts';
import { withEvent } from './stage-state.ts';

/** Those that a stage answers. */
export type StageControl = Exclude<Control, { kind: 'approve' | 'skip' }>;

/** Why the stage will not do it now, and what would help; undefined when it will. */
export function refusal(control: StageControl, state: StageState, plan: StagePlan): string | undefined {
  const { stage } = plan;
  const isOver = state.phase === 'publishing' || state.phase === 'done';
  if (isOver || (state.trained === true && control.kind !== 'resume'))
    return `${stage} has trained to its end`;
  const { paused, question, phase, committedIterations } = state;
  switch (control.kind) {
    case 'pause':
      return paused && `${stage} is paused already, by ${paused.by}: ${paused.why}`;
    case 'resume':
      return paused ? undefined : `${stage} is not paused: it is ${phase}`;
    case 'yield':
      if (
        phase === 'checking hosts' ||
        phase === 'opening' ||
        phase === 'training' ||
        (phase === 'backing off' && state.hosts.length > 0)
      )
        return undefined;
      return `${stage} holds no hosts: it is ${phase}`;
    case 'retry':
      if (phase === 'backing off') return undefined;
      return `${stage} backs off from nothing: it is ${phase}${question ? "; 'resolve' says how it continues" : ''}`;
    case 'extend': {
      const { iterations } = control;
      if (iterations === maxIterationsOf(state, plan))
        return `${stage} ends after ${iterations} iterations already`;
      if (plan.learningRateSteps?.includes(iterations))
        return `the learning rate of ${stage} drops at ${iterations}, and the trainer refuses to end there: take one more or fewer`;
      if (iterations > committedIterations) return undefined;
      return `${stage} has ${committedIterations} iterations already: 'skip' continues to the next stage with them`;
    }
    case 'priority':
      return control.priority === priorityOf(state, plan)
        ? `${stage} has priority ${control.priority} as it is`
        : undefined;
    case 'resolve':
      if (question === undefined) return `${stage} waits for no decision: it is ${phase}`;
      if (control.action !== 'back' || control.iterations < committedIterations) return undefined;
      return `${stage} has ${committedIterations} iterations: it can go back to fewer only`;
  }
}

/** The order in the state and in its events. */
export function afterControl(state: StageState, control: StageControl, at: number): StageState {
  const { by, why } = control;
  const text = `${describe(control)}, by ${by}: ${why}`;
  return withEvent(change(state, control, at), { at, text });
}

function change(state: StageState, control: StageControl, at: number): StageState {
  const { by, why } = control;
  switch (control.kind) {
    case 'pause':
      return { ...state, paused: { by, why, at } };
    case 'resume':
      return without(state, 'paused');
    case 'yield':
    case 'retry':
      return state;
    case 'extend':
      return { ...state, changes: { ...state.changes, maxIterations: control.iterations } };
    case 'priority':
      return { ...state, changes: { ...state.changes, priority: control.priority } };
    case 'resolve':
      return resolved(without(state, 'question'), control, state);
  }
}

/** A person's word gives a new budget: what was spent led to the question. */
function resolved(
  { budgets, ...answered }: StageState,
  control: Extract<StageControl, { kind: 'resolve' }>,
  { question, changes }: StageState,
): StageState {
  const state = { ...answered, attemptsWithoutProgress: 0 };
  switch (control.action) {
    case 'back':
      return { ...state, goBack: { kind: 'to', iterations: control.iterations } };
    case 'learningRate':
      return { ...state, changes: { ...changes, learningRate: control.learningRate } };
    case 'stop':
      // It stays in question, answered by an end.
      return { ...state, ...(question && { question: stopped(question, control) }) };
  }
}

function stopped(question: NamedFailure, { by, why }: ControlReason): NamedFailure {
  const message = `ended by ${by}: ${why}; the question was ${question.type}: ${question.message}`;
  return { ...question, type: 'StoppedByPerson', message };
}

function describe(control: StageControl): string {
  switch (control.kind) {
    case 'pause':
      return 'paused';
    case 'resume':
      return 'resumed';
    case 'yield':
      return 'its hosts were given back';
    case 'retry':
      return 'tried again at once';
    case 'extend':
      return `is to end after ${control.iterations} iterations`;
    case 'priority':
      return `has priority ${control.priority} now`;
    case 'resolve':
      return `resolved: ${describeResolution(control)}`;
  }
}

function describeResolution(control: Extract<StageControl, { kind: 'resolve' }>): string {
  switch (control.action) {
    case 'back':
      return `back to iteration ${control.iterations}`;
    case 'learningRate':
      return `SOLVER.BASE_LR ${control.learningRate}`;
    case 'stop':
      return 'stop';
  }
}

export function maxIterationsOf({ changes }: StageState, plan: StagePlan): number {
  return changes?.maxIterations ?? plan.maxIterations;
}

/** Whether a checkpoint is where the stage is to end, or to rest. One that people have extended continues from its end. */
export function hasCome(
  checkpoint: Pick<Checkpoint, 'final' | 'iterations'>,
  { changes }: StageState,
  until: number | undefined,
): boolean {
  const { final, iterations } = checkpoint;
  return hasArrived({ iterations, final: final && iterations >= (changes?.maxIterations ?? 0) }, until);
}

export function priorityOf({ changes }: StageState, plan: StagePlan): number {
  return changes?.priority ?? plan.priority ?? 0;
}

/** The plan of the next attempt: what people have changed is laid over it. */
export function changedPlan(state: StageState, plan: StagePlan): StagePlan {
  const { maxIterations, learningRate } = state.changes ?? {};
  if (maxIterations === undefined && learningRate === undefined) return plan;
  const changed = {
    ...nested(plan.overrides.SOLVER),
    ...(maxIterations !== undefined && { MAX_ITER: Math.max(maxIterations, state.committedIterations + 1) }),
    ...(learningRate !== undefined && { BASE_LR: learningRate }),
  };
  return {
    ...plan,
    maxIterations: Math.max(maxIterationsOf(state, plan), state.committedIterations + 1),
    overrides: { ...plan.overrides, SOLVER: changed },
  };
}

function nested(value: ConfigValue | undefined): Overrides {
  return isNested(value) ? value : {};
}

function isNested(value: ConfigValue | undefined): value is Overrides {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function without<Key extends 'paused' | 'question'>(state: StageState, key: Key): Omit<StageState, Key> {
  const { [key]: removed, ...rest } = state;
  return rest;
}
