/** @module What is wrong with a search space, beyond its form. */
import type { Problem } from '../../contracts/plan.ts';
import {
  LONGEST_GROUP_BYTES,
  MOST_GROUPS,
  MOST_SWEEP_REPORTS,
  MOST_TRIALS,
} from '../../contracts/sweep-bounds.ts';
import type { SweepPlan } from '../../contracts/sweep.ts';
import { clipText, textBytes } from '../../contracts/text-bytes.ts';
import { settingAt, isSettings, type Settings } from '../reading/nested-settings.ts';
import { expandSweep, trialCount } from './sweep-space.ts';
import { drawSamples } from './sweep-random.ts';
import type { YamlSource } from '../reading/yaml-source.ts';

type Say = (key: string, message: string) => Problem;

/** The most important first: where the space has no sound form, its trials are not looked at. */
export function spaceProblems(plan: SweepPlan, source: YamlSource): readonly Problem[] {
  const say: Say = (key, message) => {
    const line = source.lineOf(key);
    return { level: 'error', file: source.file, key, ...(line !== undefined && { line }), message };
  };
  const found = [...emptyProblems(plan, say), ...keyProblems(plan, say), ...sizeProblems(plan, say)];
  if (found.length > 0) return found;
  const grouping = groupProblems(plan, say);
  return grouping.length > 0 ? grouping : duplicateProblems(plan, say);
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
    ...space.list.flatMap((one, index) => Object.keys(one).map((key) => ({ key, at: `list.${index}` }))),
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
      ...(space.list.length > 0 ? [`${space.list.length} of the list`] : []),
      ...Object.entries(space.grid).map(([key, values]) => `${values.length} ${key}`),
      ...(space.random ? [`${space.random.samples} draws`] : []),
      `${space.seeds.length} seeds`,
    ];
    return [
      say(
        '',
        `has ${count} trials (${factors.join(' × ')}), more than the ${MOST_TRIALS} that a sweep can have`,
      ),
    ];
  }
  const reports = rule.kind === 'none' ? count : count * (rule.rungs.length + 1);
  if (rule.kind !== 'none' && reports > MOST_SWEEP_REPORTS) {
    const most = Math.floor(MOST_SWEEP_REPORTS / count) - 1;
    const message = `has ${rule.rungs.length} rungs for ${count} trials, more than the ${most} that a sweep of so many can have`;
    return [say(`earlyStopping.${rule.kind}.rungs`, message)];
  }
  const configurations = count / space.seeds.length;
  if (rule.kind === 'median' && rule.atLeast >= configurations) {
    return [
      say(
        'earlyStopping.median.atLeast',
        `must be below the number of configurations, ${configurations}: seeds of one are judged together`,
      ),
    ];
  }
  if (limits.concurrency > count) {
    return [say('concurrency', `is ${limits.concurrency}, but there are only ${count} trials`)];
  }
  return [];
}

/** A group is a row on the leaderboard, and its name stands with each of its trials. */
function groupProblems(plan: SweepPlan, say: Say): readonly Problem[] {
  const groups = new Set<string>();
  for (const { group } of expandSweep(plan).trials()) groups.add(group);
  const long = [...groups].find((group) => textBytes(group) > LONGEST_GROUP_BYTES);
  if (long !== undefined) {
    const most = `at most ${LONGEST_GROUP_BYTES} bytes`;
    return [
      say('groupBy', `'${plan.groupBy}' has the value '${clipText(long, 40)}': a group's name has ${most}`),
    ];
  }
  if (groups.size <= MOST_GROUPS) return [];
  const message = `'${plan.groupBy}' has ${groups.size} values, more than the ${MOST_GROUPS} groups that a sweep can have`;
  return [say('groupBy', message)];
}

function duplicateProblems(plan: SweepPlan, say: Say): readonly Problem[] {
  const { random, seeds } = plan.space;
  if (random !== undefined && drawSamples(random).length < random.samples) {
    const found = String(drawSamples(random).length);
    return [
      say(
        'random.samples',
        `is ${random.samples}, but only ${found} different draws were found: a grid has them all`,
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
