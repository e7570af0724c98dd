/**
 * @module What people ask of a sweep, and the input that it begins with, as anyone may have sent them: checked, and
 * bounded, before anything is done.
 */
import { runIdProblem } from './ids.ts';
import { exactly, fieldsOf, parse, satisfying, text, whole, type Parsed, type Reader } from './parsing.ts';
import type { ConfigValue } from './plan.ts';
import { LONGEST_GROUP_BYTES, LONGEST_PARAMETERS_BYTES } from './sweep-bounds.ts';
import type { Trial, TrialOrder, TrialParameters, TrialRef } from './sweep.ts';
import { jsonBytes, textBytes } from './text-bytes.ts';

const LONGEST_ID = 63;
const LONGEST_TEXT = 500;
const MOST_DEPTH = 16;

const readId = text(
  LONGEST_ID,
  (id) => runIdProblem(id) === undefined,
  "an id of letters, digits, '.', '_' and '-' that begins with a letter or digit, without '..',",
);
const readText = text(LONGEST_TEXT, (said) => said.trim() !== '', 'text that is not empty,');
const readCount = whole(0, Number.MAX_SAFE_INTEGER);

/** A trial that a person adds. Without a configuration it has no repeats. */
export const readAddedTrial: Reader<Trial> = exactly(
  {
    id: readId,
    group: text(LONGEST_GROUP_BYTES, (group) => textBytes(group) <= LONGEST_GROUP_BYTES, 'the UTF-8 text'),
    parameters: satisfying(isParameters, `an object of at most ${LONGEST_PARAMETERS_BYTES} bytes as JSON`),
    seed: readCount,
    inputs: text(64, (inputs) => inputs !== '', 'a checksum'),
  },
  { configuration: text(LONGEST_ID, (configuration) => configuration !== '', 'a name') },
);

const readTrialOrder: Reader<TrialOrder> = exactly({ trial: readId, by: readText, why: readText });

/** What a sweep gives a fine-tune besides its config. */
export interface TrialLeg {
  readonly trial?: TrialRef;
  readonly until?: number;
}

const readPlanned = exactly({ sweep: readId, place: readCount });
const readAdded = exactly({ sweep: readId, added: readAddedTrial });
const readTrialRef: Reader<TrialRef> = (value, at) =>
  fieldsOf(value, at).has('added') ? readAdded(value, at) : readPlanned(value, at);
const readTrialLeg: Reader<TrialLeg> = exactly(
  {},
  { trial: readTrialRef, until: whole(1, Number.MAX_SAFE_INTEGER) },
);

export function parseAddedTrial(input: unknown): Parsed<Trial> {
  return parse(readAddedTrial, input, 'trial');
}

export function parseTrialOrder(input: unknown): Parsed<TrialOrder> {
  return parse(readTrialOrder, input, 'order');
}

export function parseTrialLeg(input: unknown): Parsed<TrialLeg> {
  return parse(readTrialLeg, input, 'input');
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
