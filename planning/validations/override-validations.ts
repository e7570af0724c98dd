/** @module Override keys and values that yacs would refuse, after the trainer has started on every host. */
import type { Overrides, Problem } from '../../contracts/plan.ts';
import type { KnownKeys } from '../glee/checkout.ts';
import { asWritten, typeProblem } from '../glee/key-types.ts';
import { nearest } from '../reading/problems.ts';
import { isSettings, leavesOf, type Leaf } from '../reading/nested-settings.ts';

export interface OverridesUnderCheck {
  readonly overrides: Overrides;
  /** The user's config, as problems name it. */
  readonly file: string;
  /** Where the overrides stand in it: `overrides`, `stages.stage2.overrides`. */
  readonly at: string;
  /** The keys that the checkout defines. Those of its own may be without a known type. */
  readonly known: KnownKeys;
}

/** Keys that the pipeline sets by itself, and where a user says the same. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ['MODEL.WEIGHTS', "is set by the pipeline: give the stage's `weights` instead"],
  ['OUTPUT_DIR', 'is set by the pipeline, on each host: leave it out'],
  ['_BASE_', "is set by the pipeline: give the stage's `config` instead"],
]);

export function overrideProblems(check: OverridesUnderCheck): readonly Problem[] {
  return leavesOf(check.overrides).flatMap((leaf) => leafProblems(leaf, check));
}

function leafProblems({ path, value }: Leaf, { file, at, known }: OverridesUnderCheck): readonly Problem[] {
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
  const type = known.types.get(key);
  if (type !== undefined) {
    const wrong = typeProblem(asWritten(value, type), type);
    return wrong === undefined ? [] : problem('error', wrong);
  }
  if (isSettings(value)) return [];
  if ([...known.types.keys()].some((other) => other.startsWith(`${key}.`))) {
    return problem('error', `is a section of settings, not ${JSON.stringify(value)}`);
  }
  // Sections are long and often right: what is near is measured by the key's own name.
  const edits = Math.max(2, Math.floor((path.at(-1) ?? key).length / 4));
  const [guess] = nearest(key, known.types.keys(), 1, edits);
  if (guess !== undefined) return problem('error', `GLEE has no such key; did you mean '${guess}'?`);
  if (known.complete) return problem('error', 'is not a key that this GLEE defines: yacs stops the trainer');
  return problem(
    'warning',
    'is not a key that GLEE or detectron2 is known to define: yacs stops the trainer if they do not',
  );
}
