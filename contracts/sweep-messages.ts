/**
 * @module What people ask of a sweep, and the input that it begins with, as anybody may have sent them: checked, and
 * bounded, before anything is done.
 */
import { z } from 'zod';
import { runIdProblem } from './ids.ts';
import type { ConfigValue } from './plan.ts';
import { LONGEST_GROUP_BYTES, LONGEST_PARAMETERS_BYTES } from './sweep-bounds.ts';
import type { Trial, TrialOrder, TrialParameters, TrialRef } from './sweep.ts';
import { jsonBytes, textBytes } from './text-bytes.ts';

const LONGEST_TRIAL_ID = 63;
const LONGEST_TEXT = 500;
const MOST_DEPTH = 16;

const trialId = z.string().refine((id) => runIdProblem(id) === undefined, {
  error: `must be 1 to ${String(LONGEST_TRIAL_ID)} letters, digits, '.', '_' or '-', begin with a letter or digit and hold no '..'`,
});

const text = z
  .string()
  .max(LONGEST_TEXT)
  .refine((said) => said.trim() !== '', { error: 'must say something' });

/** A trial that a person adds. Without a configuration it has no repeats. */
export const addedTrialSchema: z.ZodType<Trial> = z.strictObject({
  id: trialId,
  group: z.string().refine((group) => textBytes(group.slice(0, 1000)) <= LONGEST_GROUP_BYTES, {
    error: `must have at most ${String(LONGEST_GROUP_BYTES)} bytes`,
  }),
  parameters: z.custom<TrialParameters>(isParameters, {
    error: `must be an object of at most ${String(LONGEST_PARAMETERS_BYTES)} bytes as JSON`,
  }),
  seed: z.int().min(0),
  configuration: z.string().min(1).max(LONGEST_TRIAL_ID).exactOptional(),
  inputs: z.string().min(1).max(64),
});

const trialOrderSchema: z.ZodType<TrialOrder> = z.strictObject({ trial: trialId, by: text, why: text });

/** What a sweep gives a fine-tune besides its config. */
export interface TrialLeg {
  readonly trial?: TrialRef;
  readonly until?: number;
}

const sweepId = z.string().refine((id) => runIdProblem(id) === undefined, { error: 'names no sweep' });
const trialLegSchema: z.ZodType<TrialLeg> = z.strictObject({
  trial: z
    .union([
      z.strictObject({ sweep: sweepId, place: z.int().min(0) }),
      z.strictObject({ sweep: sweepId, added: addedTrialSchema }),
    ])
    .exactOptional(),
  until: z.int().min(1).exactOptional(),
});

export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

export function parseAddedTrial(input: unknown): Parsed<Trial> {
  return parseInput(addedTrialSchema, input, 'a trial');
}

export function parseTrialOrder(input: unknown): Parsed<TrialOrder> {
  return parseInput(trialOrderSchema, input, 'an order like {"trial":"lr0.01-s1","by":"ada","why":"no use"}');
}

export function parseTrialLeg(input: unknown): Parsed<TrialLeg> {
  return parseInput(trialLegSchema, input, 'that of a trial of a sweep');
}

/** The first problem, with where it is. */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown, what: string): Parsed<T> {
  const found = schema.safeParse(input);
  if (found.success) return { ok: true, value: found.data };
  const [first] = found.error.issues;
  const at = first === undefined || first.path.length === 0 ? '' : `${first.path.join('.')}: `;
  return { ok: false, problem: `the input is not ${what}: ${at}${first?.message ?? 'it has no sound form'}` };
}

function isParameters(value: unknown): value is TrialParameters {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return isConfigValue(value, MOST_DEPTH) && jsonBytes(value) <= LONGEST_PARAMETERS_BYTES;
}

function isConfigValue(value: unknown, depth: number): value is ConfigValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth === 0) return false;
  return Object.values(value).every((one) => isConfigValue(one, depth - 1));
}
