/**
 * @module What a person may ask of a run: each a Temporal Update of that name, with who asks and why, so that both stand
 * in the history for ever.
 */
import { parseCheckpointRef } from './checkpoints.ts';

/** Who asks, and why. */
export interface ControlReason {
  /** A person, or what acts for one: `ada`, `cron@gpu-1`. */
  readonly by: string;
  readonly why: string;
}

/** What to do about a training that diverged. */
export type Resolution =
  /** From the newest checkpoint of at most so many iterations; 0 is the very beginning. */
  | { readonly action: 'back'; readonly iterations: number }
  /** The same place, with another SOLVER.BASE_LR. */
  | { readonly action: 'learningRate'; readonly learningRate: number }
  | { readonly action: 'stop' };

export type Control =
  /** Saves, gives its hosts back and waits for `resume`. */
  | ({ readonly kind: 'pause' } & ControlReason)
  | ({ readonly kind: 'resume' } & ControlReason)
  /** Saves, gives its hosts back and queues for others. */
  | ({ readonly kind: 'yield' } & ControlReason)
  /** Does not wait out what it backs off for. */
  | ({ readonly kind: 'retry' } & ControlReason)
  /** The stage is to end after so many iterations. */
  | ({ readonly kind: 'extend'; readonly iterations: number } & ControlReason)
  | ({ readonly kind: 'priority'; readonly priority: number } & ControlReason)
  | ({ readonly kind: 'resolve' } & ControlReason & Resolution)
  /** The run's own: its next stage may begin. */
  | ({ readonly kind: 'approve' } & ControlReason)
  /** The run's own: ends the stage; the next one begins from its newest checkpoint, or from the one that is named. */
  | ({ readonly kind: 'skip'; readonly weights?: string } & ControlReason);

export type ControlKind = Control['kind'];

export const CONTROL_KINDS = [
  'pause',
  'resume',
  'yield',
  'retry',
  'extend',
  'priority',
  'resolve',
  'approve',
  'skip',
] as const satisfies readonly ControlKind[];

/** Those that the run answers itself; the others are for the stage that runs. */
export function isForRun(control: Control): control is Extract<Control, { kind: 'approve' | 'skip' }> {
  return control.kind === 'approve' || control.kind === 'skip';
}

/** An order as it came with an Update, or what is wrong with it. */
export type ParsedControl =
  { readonly ok: true; readonly control: Control } | { readonly ok: false; readonly problem: string };

const LONGEST_TEXT = 500;
export const HIGHEST_PRIORITY = 1000;

export function parseControl(kind: ControlKind, input: unknown): ParsedControl {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    return problem(`the input must be an object like {"by":"ada","why":"maintenance"}`);
  const facts: Record<string, unknown> = { ...input };
  const { by, why } = facts;
  if (!isText(by) || !isText(why))
    return problem(`'by' and 'why' must say who asks and why, in at most ${LONGEST_TEXT} letters each`);
  const unknown = Object.keys(facts).find((key) => !['by', 'why', ...KEYS[kind]].includes(key));
  if (unknown !== undefined) return problem(`'${kind}' knows no '${unknown.slice(0, LONGEST_TEXT)}'`);
  return parseFacts(kind, { by, why }, facts);
}

const KEYS: Readonly<Record<ControlKind, readonly string[]>> = {
  pause: [],
  resume: [],
  yield: [],
  retry: [],
  extend: ['iterations'],
  priority: ['priority'],
  resolve: ['action', 'iterations', 'learningRate'],
  approve: [],
  skip: ['weights'],
};

function parseFacts(
  kind: ControlKind,
  order: ControlReason,
  facts: Readonly<Record<string, unknown>>,
): ParsedControl {
  const { iterations, priority, weights } = facts;
  switch (kind) {
    case 'extend':
      if (!isCount(iterations) || iterations === 0)
        return problem("'iterations' must be a whole number above 0");
      return { ok: true, control: { kind, ...order, iterations } };
    case 'priority':
      if (!isCount(priority) || priority > HIGHEST_PRIORITY)
        return problem(`'priority' must be a whole number from 0 to ${HIGHEST_PRIORITY}`);
      return { ok: true, control: { kind, ...order, priority } };
    case 'resolve':
      return parseResolution(order, facts);
    case 'skip':
      if (weights === undefined) return { ok: true, control: { kind, ...order } };
      if (typeof weights !== 'string' || parseCheckpointRef(weights) === undefined)
        return problem("'weights' must name a checkpoint, as lite-1/stage1@50000 or lite-1/stage1@final");
      return { ok: true, control: { kind, ...order, weights } };
    case 'pause':
    case 'resume':
    case 'yield':
    case 'retry':
    case 'approve':
      return { ok: true, control: { kind, ...order } };
  }
}

function parseResolution(
  order: ControlReason,
  { action, iterations, learningRate }: Readonly<Record<string, unknown>>,
): ParsedControl {
  const resolve = { kind: 'resolve', ...order } as const;
  switch (action) {
    case 'back':
      if (!isCount(iterations)) return problem("'iterations' must say how far back, as a whole number");
      return { ok: true, control: { ...resolve, action, iterations } };
    case 'learningRate':
      if (typeof learningRate !== 'number' || !(learningRate > 0 && learningRate < Infinity))
        return problem("'learningRate' must be the new SOLVER.BASE_LR, above 0");
      return { ok: true, control: { ...resolve, action, learningRate } };
    case 'stop':
      return { ok: true, control: { ...resolve, action } };
    default:
      return problem("'action' must be 'back', 'learningRate' or 'stop'");
  }
}

function problem(text: string): ParsedControl {
  return { ok: false, problem: text };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && value.length <= LONGEST_TEXT;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
