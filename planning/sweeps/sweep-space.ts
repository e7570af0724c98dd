/** @module A sweep's trials, from its plan: the same ones in the same order each time, each by its place alone. */
import { createHash } from 'node:crypto';
import type { ConfigValue } from '../../contracts/plan.ts';
import type { SearchSpace, SweepPlan, Trial, TrialParameters } from '../../contracts/sweep.ts';
import { isSettings, settingAt, type Settings } from '../reading/nested-settings.ts';
import { drawSamples } from './sweep-random.ts';
import { canonicalJson } from '../inputs-checksum.ts';
import { labelOf } from './sweep-labels.ts';

/** An id and a sweep's name make a run id together, of 63 characters at most. */
const LONGEST_ID = 40;
const HASH_DIGITS = 6;
/** Enough to tell thousands of configurations apart. */
const CONFIGURATION_DIGITS = 12;

export interface SweepTrials {
  readonly count: number;
  /** Undefined beyond the last. */
  trialAt(place: number): Trial | undefined;
  trials(): Iterable<Trial>;
}

/** Without building them all: a trial is its place, written in digits of list, grid, draws and seeds. */
export function expandSweep(plan: SweepPlan): SweepTrials {
  const dimensions = dimensionsOf(plan.space);
  const count = trialCount(plan.space);
  const trialAt = (place: number) => (isPlace(place, count) ? build(plan, dimensions, place) : undefined);
  return {
    count,
    trialAt,
    *trials() {
      for (let place = 0; place < count; place += 1) yield build(plan, dimensions, place);
    },
  };
}

export function trialCount({ list, grid, random, seeds }: SearchSpace): number {
  const factors = [list.length || 1, ...Object.values(grid).map(({ length }) => length)];
  return factors.reduce((product, one) => product * one, (random?.samples ?? 1) * seeds.length);
}

/** A trial that a person adds to a running sweep. */
export function trialOf(plan: SweepPlan, parameters: TrialParameters, seed: number): Trial {
  const labels = Object.entries(parameters).map(([key, value]) => labelOf(key, value));
  return finished(plan, parameters, seed, [...labels, `s${seed}`]);
}

/** The fine-tune config that a trial stands for: the base with its parameters set. Its seed is not in it. */
export function trialSettings(
  { base, starts = {} }: Pick<SweepPlan, 'base' | 'starts'>,
  parameters: TrialParameters,
): Settings {
  const settings = Object.entries(parameters).reduce<Settings>(
    (settings, [key, value]) => setAt(settings, key.split('.'), value),
    base.settings,
  );
  const followed = followedRun(settings.weights);
  const start = followed === undefined ? undefined : starts[followed];
  return start === undefined ? settings : { ...settings, weights: { from: start.from } };
}

/** The run whose newest final weights these are: `{ run: lite-1 }`, without a stage. */
export function followedRun(weights: unknown): string | undefined {
  if (typeof weights !== 'object' || weights === null || !('run' in weights)) return undefined;
  if ('stage' in weights && weights.stage !== undefined) return undefined;
  return typeof weights.run === 'string' ? weights.run : undefined;
}

/** One choice after the other; all but the first dimensions change faster. */
interface Choice {
  readonly parameters: TrialParameters;
  /** Absent where there is nothing else to choose. */
  readonly label?: string;
}

function dimensionsOf({ list, grid, random }: SearchSpace): readonly (readonly Choice[])[] {
  const grids = Object.entries(grid).map(([key, values]) => values.map((value) => ({ [key]: value })));
  const draws = random === undefined ? [] : [drawSamples(random)];
  return [...(list.length > 0 ? [list] : []), ...grids, ...draws].map(labelled);
}

function labelled(choices: readonly TrialParameters[]): readonly Choice[] {
  if (choices.length === 1) return choices.map((parameters) => ({ parameters }));
  // Only what differs within the dimension is worth a word.
  const keys = new Set(choices.flatMap((one) => Object.keys(one)));
  const varying = [...keys].filter(
    (key) => new Set(choices.map((one) => canonicalJson(one[key] ?? null))).size > 1,
  );
  return choices.map((parameters) => {
    const labels = varying.flatMap((key) => {
      const value = parameters[key];
      return value === undefined ? [] : [labelOf(key, value)];
    });
    return { parameters, ...(labels.length > 0 && { label: labels.join('-') }) };
  });
}

function build(plan: SweepPlan, dimensions: readonly (readonly Choice[])[], place: number): Trial {
  const { seeds } = plan.space;
  let rest = Math.floor(place / seeds.length);
  const chosen: Choice[] = [];
  for (const choices of dimensions.toReversed()) {
    const choice = choices[rest % choices.length];
    rest = Math.floor(rest / choices.length);
    if (choice !== undefined) chosen.unshift(choice);
  }
  const parameters = chosen.reduce<TrialParameters>((all, one) => ({ ...all, ...one.parameters }), {});
  const seed = seeds[place % seeds.length] ?? 1;
  const labels = chosen.flatMap(({ label }) => label ?? []);
  return finished(plan, parameters, seed, [...labels, `s${seed}`]);
}

function finished(
  plan: SweepPlan,
  parameters: TrialParameters,
  seed: number,
  labels: readonly string[],
): Trial {
  const settings = trialSettings(plan, parameters);
  const inputs = sha256({ settings, seed });
  const group = parameters[plan.groupBy] ?? settingAt(settings, plan.groupBy);
  return {
    id: shortened(labels.join('-'), inputs),
    group: typeof group === 'string' ? group : canonicalJson(group ?? 'all'),
    parameters,
    seed,
    configuration: sha256({ settings }).slice(0, CONFIGURATION_DIGITS),
    inputs,
  };
}

function sha256(value: ConfigValue): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

function shortened(id: string, inputs: string): string {
  if (id.length <= LONGEST_ID) return id;
  return `${id.slice(0, LONGEST_ID - HASH_DIGITS - 1).replace(/[-._]+$/, '')}-${inputs.slice(0, HASH_DIGITS)}`;
}

function setAt(settings: Settings, [head = '', ...rest]: readonly string[], value: ConfigValue): Settings {
  if (rest.length === 0) return { ...settings, [head]: value };
  const below = settings[head];
  return { ...settings, [head]: setAt(isSettings(below) ? below : {}, rest, value) };
}

function isPlace(place: number, count: number): boolean {
  return Number.isInteger(place) && place >= 0 && place < count;
}
