/** @module What is wrong with a search space, beyond its form. */
import type { Problem } from '../contracts/plan.ts';
import { MOST_TRIALS, type SweepPlan } from '../contracts/sweep.ts';
import { settingAt, isSettings, type Settings } from './settings.ts';
import { expandSweep, trialCount } from './sweep-space.ts';
import { drawSamples } from './sweep-random.ts';
import type { YamlSource } from './yaml-source.ts';

type Say = (key: string, message: string) => Problem;

/** The most important first: where the space has no sound form, its trials are not looked at. */
export function spaceProblems(plan: SweepPlan, source: YamlSource): readonly Problem[] {
  const say: Say = (key, message) => {
    const line = source.lineOf(key);
    return { level: 'error', file: source.file, key, ...(line !== undefined && { line }), message };
  };
  const found = [...emptyProblems(plan, say), ...keyProblems(plan, say), ...sizeProblems(plan, say)];
  return found.length > 0 ? found : duplicateProblems(plan, say);
}

function emptyProblems({ space }: SweepPlan, say: Say): readonly Problem[] {
  const { list, grid, random } = space;
  const isEmpty = list.length === 0 && Object.keys(grid).length === 0 && random === undefined;
  if (isEmpty) return [say('', 'has an empty search space: it needs a list, a grid or random draws')];
  const noSpace = random !== undefined && Object.keys(random.space).length === 0;
  return noSpace
    ? [say('random.space', 'is empty: name what to draw, as variant: { choice: [Lite, Plus] }')]
    : [];
}

/** One key has one place, and stands where the base config has room for it. */
function keyProblems({ space, base }: SweepPlan, say: Say): readonly Problem[] {
  const places = [
    ...space.list.flatMap((one, index) =>
      Object.keys(one).map((key) => ({ key, at: `list.${String(index)}` })),
    ),
    ...Object.keys(space.grid).map((key) => ({ key, at: 'grid' })),
    ...Object.keys(space.random?.space ?? {}).map((key) => ({ key, at: 'random.space' })),
  ];
  return places.flatMap(({ key, at }) => {
    const clash = places.find((other) =>
      sectionOf(other.at) !== sectionOf(at)
        ? isWithin(key, other.key)
        : other.at === at && other.key !== key && key.startsWith(`${other.key}.`),
    );
    if (clash !== undefined)
      return [say(at, `sets '${key}', which ${clash.at} sets as well ('${clash.key}')`)];
    const blocked = blockedBy(base.settings, key);
    if (blocked !== undefined) return [say(at, `sets '${key}', but '${blocked}' of ${base.name} is no map`)];
    if (key === 'seed' || key.endsWith('.SEED'))
      return [say(at, `sets '${key}': write it as seeds, so that repeats are known as such`)];
    return [];
  });
}

function sectionOf(at: string): string {
  return at.split('.')[0] ?? at;
}

function isWithin(key: string, other: string): boolean {
  return key === other || key.startsWith(`${other}.`);
}

function blockedBy(settings: Settings, key: string): string | undefined {
  const steps = key.split('.');
  const above = steps.slice(1).map((_, index) => steps.slice(0, index + 1).join('.'));
  return above.find((one) => {
    const value = settingAt(settings, one);
    return value !== undefined && value !== null && !isSettings(value);
  });
}

function sizeProblems({ space, rule, limits }: SweepPlan, say: Say): readonly Problem[] {
  const count = trialCount(space);
  if (count > MOST_TRIALS) {
    const factors = [
      ...(space.list.length > 0 ? [`${String(space.list.length)} of the list`] : []),
      ...Object.entries(space.grid).map(([key, values]) => `${String(values.length)} ${key}`),
      ...(space.random ? [`${String(space.random.samples)} draws`] : []),
      `${String(space.seeds.length)} seeds`,
    ];
    return [
      say(
        '',
        `has ${String(count)} trials (${factors.join(' × ')}), more than the ${String(MOST_TRIALS)} that a sweep can have`,
      ),
    ];
  }
  if (rule.kind === 'median' && rule.atLeast >= count) {
    return [say('earlyStopping.median.atLeast', `must be below the number of trials, ${String(count)}`)];
  }
  if (limits.concurrency > count) {
    return [
      say('concurrency', `is ${String(limits.concurrency)}, but there are only ${String(count)} trials`),
    ];
  }
  return [];
}

function duplicateProblems(plan: SweepPlan, say: Say): readonly Problem[] {
  const { random, seeds } = plan.space;
  if (random !== undefined && drawSamples(random).length < random.samples) {
    const found = String(drawSamples(random).length);
    return [
      say(
        'random.samples',
        `is ${String(random.samples)}, but only ${found} different draws were found: a grid has them all`,
      ),
    ];
  }
  if (new Set(seeds).size < seeds.length) return [say('seeds', 'names a seed twice')];
  const byInputs = new Map<string, string>();
  const ids = new Set<string>();
  for (const { id, inputs } of expandSweep(plan).trials()) {
    const twin = byInputs.get(inputs);
    if (twin !== undefined)
      return [
        say(
          Object.keys(plan.space.grid).length > 0 ? 'grid' : 'list',
          `names a trial twice: '${twin}' and '${id}' are the same`,
        ),
      ];
    if (ids.has(id))
      return [
        say('', `has two different trials that would be called '${id}': write their values less alike`),
      ];
    byInputs.set(inputs, id);
    ids.add(id);
  }
  return [];
}
