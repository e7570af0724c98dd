/**
 * @module The input of a run, as anybody may have typed it.
 */
import { runIdProblem } from '../contracts/ids.ts';
import { invalid } from './invalid.ts';

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
    throw invalid(`input must be an object like {"config":"${example}"}, not ${JSON.stringify(input)}`);
  }
  const { config = byDefault, ...unknown }: { readonly config?: unknown } = input ?? {};
  const [key] = Object.keys(unknown);
  if (key !== undefined) throw invalid(`input has an unknown key '${key}'; 'config' is the only one`);
  if (typeof config !== 'string')
    throw invalid(`input.config must be a name like '${example}', not ${JSON.stringify(config)}`);
  return config;
}
