/**
 * @module The input of a run, as anyone may have typed it.
 */
import { runIdProblem } from '../../contracts/ids.ts';
import { parseTrialLeg, type TrialLeg } from '../../contracts/sweep-messages.ts';
import { clipText } from '../../contracts/text-bytes.ts';
import { invalid } from '../base/errors.ts';

/** Of what was typed, in a message. */
const LONGEST_SHOWN_BYTES = 200;
/** A config's name is a path below `configs/`. */
const LONGEST_CONFIG_NAME = 200;

/** What programs give a run besides its config; people have no need to. */
const EXTRAS: ReadonlySet<string> = new Set(['trial', 'until', 'carried', 'onlyPlan']);

/** The part of an input that people may have typed, to be checked. */
export function typedInput(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return given;
  return Object.fromEntries(Object.entries(given).filter(([key]) => !EXTRAS.has(key)));
}

/** @param byDefault Undefined where there is no default. */
export function checkRunInput(run: string, input: unknown, byDefault: string | undefined): string {
  const badRun = runIdProblem(run);
  if (badRun !== undefined) throw invalid(badRun);
  const example = byDefault ?? 'finetune/odinw-rabbits';
  if (input !== undefined && input !== null && (typeof input !== 'object' || Array.isArray(input))) {
    throw invalid(`input must be an object like {"config":"${example}"}, not ${shown(input)}`);
  }
  const { config = byDefault, ...unknown }: { readonly config?: unknown } = input ?? {};
  const [key] = Object.keys(unknown);
  if (key !== undefined)
    throw invalid(
      `input has an unknown key '${clipText(key, LONGEST_SHOWN_BYTES)}'; 'config' is the only one`,
    );
  if (typeof config !== 'string')
    throw invalid(`input.config must be a name like '${example}', not ${shown(config)}`);
  if (config.length > LONGEST_CONFIG_NAME)
    throw invalid(`input.config must have at most ${LONGEST_CONFIG_NAME} letters, not ${config.length}`);
  return config;
}

/** What a sweep gives a fine-tune besides. @throws InvalidConfig where someone else gave what no sweep does. */
export function checkSegment(given: unknown): TrialLeg {
  if (typeof given !== 'object' || given === null) return {};
  const { trial, until }: { readonly trial?: unknown; readonly until?: unknown } = given;
  const parsed = parseTrialLeg({
    ...(trial !== undefined && { trial }),
    ...(until !== undefined && { until }),
  });
  if (parsed.ok) return parsed.value;
  throw invalid(parsed.problem);
}

function shown(value: unknown): string {
  return value === undefined ? 'undefined' : clipText(JSON.stringify(value), LONGEST_SHOWN_BYTES);
}
