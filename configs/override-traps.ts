/** @module Override keys and values that yacs would refuse, after the trainer has started on every host. */
import type { ConfigValue, Overrides, Problem } from '../contracts/plan.ts';
import { decodeSettings } from './glee-config.ts';
import type { KeyType } from './glee-keys.ts';
import { nearest } from './problems.ts';
import { isList, isSettings, leavesOf, type Leaf } from './settings.ts';

export interface OverridesUnderCheck {
  readonly overrides: Overrides;
  /** The user's config, as problems name it. */
  readonly file: string;
  /** Where the overrides stand in it: `overrides`, `stages.stage2.overrides`. */
  readonly at: string;
  /** All keys that the checkout defines. Those of its own may be without a known type. */
  readonly known: ReadonlyMap<string, KeyType>;
}

/** Keys that the pipeline sets by itself, and where a user says the same. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ['MODEL.WEIGHTS', "is set by the pipeline: give the stage's `weights` instead"],
  ['OUTPUT_DIR', 'is set by the pipeline, on each host: leave it out'],
  ['_BASE_', "is set by the pipeline: give the stage's `config` instead"],
]);

const TYPES: Readonly<Record<KeyType, { readonly name: string; fits: (value: ConfigValue) => boolean }>> = {
  int: { name: 'a whole number', fits: (value) => Number.isInteger(value) },
  float: { name: 'a number', fits: (value) => typeof value === 'number' },
  bool: { name: 'true or false', fits: (value) => typeof value === 'boolean' },
  // yacs makes a text of anything where the default is one.
  str: { name: 'a text', fits: (value) => !isList(value) && !isSettings(value) },
  list: { name: 'a list', fits: isList },
  any: { name: 'anything', fits: () => true },
};

export function overrideTraps(check: OverridesUnderCheck): readonly Problem[] {
  return leavesOf(decodeSettings(check.overrides)).flatMap((leaf) => leafTraps(leaf, check));
}

function leafTraps({ path, value }: Leaf, { file, at, known }: OverridesUnderCheck): readonly Problem[] {
  const key = path.join('.');
  const problem = (level: Problem['level'], message: string): Problem[] => [
    { level, file, key: `${at}.${key}`, message },
  ];
  if (path.some((step) => step.includes('.'))) {
    const nested = key.split('.').join(': { ');
    return problem(
      'error',
      `write it nested, as GLEE's YAML is: ${nested}: … ${'}'.repeat(key.split('.').length - 1)}`,
    );
  }
  const reserved = RESERVED.get(key);
  if (reserved !== undefined) return problem('error', reserved);
  const type = known.get(key);
  if (type !== undefined) {
    const { name, fits } = TYPES[type];
    if (value === null || fits(value)) return [];
    return problem('error', `must be ${name}, not ${JSON.stringify(value)}: yacs refuses other types`);
  }
  if (isSettings(value)) return [];
  if ([...known.keys()].some((other) => other.startsWith(`${key}.`))) {
    return problem('error', `is a section of settings, not ${JSON.stringify(value)}`);
  }
  // Sections are long and often right: what is near is measured by the key's own name.
  const edits = Math.max(2, Math.floor((path.at(-1) ?? key).length / 4));
  const [guess] = nearest(key, known.keys(), 1, edits);
  if (guess !== undefined) return problem('error', `GLEE has no such key; did you mean '${guess}'?`);
  return problem(
    'warning',
    'is no key that GLEE or detectron2 is known to define: yacs stops the trainer if they do not',
  );
}
