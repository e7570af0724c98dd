/**
 * @module A sweep's state in few bytes, for what crosses a continue-as-new and for the activity that keeps it. What is
 * unpacked is checked: anyone may start a workflow with any input.
 */
import {
  amount,
  exactly,
  listOf,
  oneOf,
  parse,
  text,
  variants,
  whole,
  type Parsed,
  type Reader,
} from './parsing.ts';
import {
  LONGEST_GROUP_BYTES,
  MOST_ADDED_TRIALS,
  MOST_GROUPS,
  MOST_REPORTS,
  MOST_RUNGS,
  MOST_TRIALS,
} from './sweep-bounds.ts';
import { readAddedTrial } from './sweep-messages.ts';
import {
  TRIAL_STATUSES,
  type MetricReport,
  type PackedSweepState,
  type PackedTrial,
  type StoppingRule,
  type SweepRules,
  type SweepState,
  type TrialState,
} from './sweep.ts';
import { clipText, jsonBytes, textBytes } from './text-bytes.ts';

/** All reasons of a sweep together. With more text, each is cut to its share. */
const MOST_WHY_BYTES = 250_000;
const SHORTEST_WHY_BYTES = 40;
/** Temporal takes 2 MB. */
const MOST_ANSWER_BYTES = 1_800_000;
const [STOPPING, PROMOTED, REUSED] = [1, 2, 4] as const;

export function packSweepState({ trials, added }: SweepState): PackedSweepState {
  const [groups, whys] = [new Places(), new Places()];
  const longest = longestWhy(trials);
  const packed = trials.map((trial): PackedTrial => {
    const { id, configuration = '', group, status, rung, gpuHours, why, reports } = trial;
    return [
      ...([id, configuration, groups.of(group), TRIAL_STATUSES.indexOf(status), rung] as const),
      ...([Number(gpuHours.toPrecision(8)), flagsOf(trial)] as const),
      why === undefined ? -1 : whys.of(clipText(why, longest)),
      ...reports.flatMap(({ iterations, value }) => [iterations, value]),
    ];
  });
  return { groups: groups.all, whys: whys.all, trials: packed, added };
}

/** What an execution of a sweep hands to the next one. */
export interface CarriedSweep {
  readonly rules: SweepRules;
  readonly state: SweepState;
  readonly begun: readonly string[];
}

export function parseCarriedSweep(carried: unknown): Parsed<CarriedSweep> {
  const parsed = parse(readCarried, carried, 'carried');
  if (!parsed.ok) return parsed;
  const { rules, state, begun } = parsed.value;
  const unpacked = unpack(state);
  return unpacked.ok ? { ok: true, value: { rules, state: unpacked.value, begun } } : unpacked;
}

export function unpackSweepState(packed: unknown): Parsed<SweepState> {
  const parsed = parse(readPacked, packed, 'state');
  return parsed.ok ? unpack(parsed.value) : parsed;
}

/**
 * The state as the query answers it, readable as it is. Where all of it is more than an answer may have, the newest
 * report of each trial is left, then none, and then the texts go: S3 has all of it when the sweep has ended.
 */
export function answerOf(state: SweepState): SweepState {
  const { trials } = state;
  const shorter = (cut: (trial: TrialState) => TrialState): SweepState => ({
    ...state,
    trials: trials.map(cut),
  });
  const longest = longestWhy(trials);
  const clipped = ({ why, ...trial }: TrialState): TrialState =>
    why === undefined ? trial : { ...trial, why: clipText(why, longest) };
  const steps: readonly (() => SweepState)[] = [
    () => state,
    () => shorter((trial) => clipped({ ...trial, reports: trial.reports.slice(-1) })),
    () => shorter((trial) => clipped({ ...trial, reports: [] })),
  ];
  for (const step of steps) {
    const answer = step();
    if (jsonBytes(answer) <= MOST_ANSWER_BYTES) return answer;
  }
  return shorter(({ why, ...trial }) => ({ ...trial, reports: [] }));
}

const count = whole(0, Number.MAX_SAFE_INTEGER);
const number = amount(Number.MAX_VALUE, -Number.MAX_VALUE);
const FACTS = 8;

const readPackedTrial: Reader<PackedTrial> = (value, at) => {
  const facts = listOf<unknown>((fact) => fact, FACTS + 2 * MOST_REPORTS)(value, at);
  const of = <T>(place: number, read: Reader<T>) => read(facts[place], `${at}[${place}]`);
  return [
    ...([of(0, text(63)), of(1, text(64)), of(2, count), of(3, count)] as const),
    ...([of(4, whole(0, MOST_REPORTS)), of(5, amount(Number.MAX_VALUE)), of(6, count)] as const),
    of(7, whole(-1, MOST_TRIALS)),
    ...facts.slice(FACTS).map((_, index) => of(FACTS + index, number)),
  ];
};
const readPacked: Reader<PackedSweepState> = exactly({
  groups: listOf(text(LONGEST_GROUP_BYTES), MOST_GROUPS + MOST_ADDED_TRIALS),
  whys: listOf(text(MOST_WHY_BYTES), MOST_TRIALS),
  trials: listOf(readPackedTrial, MOST_TRIALS),
  added: listOf(readAddedTrial, MOST_ADDED_TRIALS),
});

const rungs = listOf(count, MOST_RUNGS);
const readRule: Reader<StoppingRule> = variants('kind', {
  none: exactly({ kind: oneOf('none') }),
  asha: exactly({ kind: oneOf('asha'), rungs, reductionFactor: whole(2, Number.MAX_SAFE_INTEGER) }),
  median: exactly({ kind: oneOf('median'), rungs, atLeast: whole(1, Number.MAX_SAFE_INTEGER) }),
});
const readRules: Reader<SweepRules> = exactly({
  metric: exactly({ name: text(1000), goal: oneOf('max', 'min') }),
  rule: readRule,
  limits: exactly({ concurrency: whole(1, 1000) }, { gpuHours: amount(Number.MAX_VALUE, Number.MIN_VALUE) }),
});
const readCarried = exactly({ rules: readRules, state: readPacked, begun: listOf(text(63), MOST_TRIALS) });

function unpack({ groups, whys, trials, added }: PackedSweepState): Parsed<SweepState> {
  const unpacked = trials.flatMap((trial) => unpackTrial(trial, groups, whys) ?? []);
  const ids = new Set(unpacked.map(({ id }) => id));
  if (unpacked.length < trials.length || added.length > trials.length || ids.size < trials.length)
    return { ok: false, problem: 'its trials do not fit together' };
  return { ok: true, value: { trials: unpacked, added } };
}

function unpackTrial(
  [id, configuration, groupAt, statusAt, rung, gpuHours, flags, whyAt, ...numbers]: PackedTrial,
  groups: readonly string[],
  whys: readonly string[],
): TrialState | undefined {
  const [group, status, why] = [groups[groupAt], TRIAL_STATUSES[statusAt], whys[whyAt]];
  const isSound = numbers.length % 2 === 0 && numbers.length <= 2 * MOST_REPORTS;
  if (group === undefined || status === undefined || (whyAt >= 0 && why === undefined) || !isSound)
    return undefined;
  return {
    ...{ id, group, ...(configuration !== '' && { configuration }), status, rung },
    ...{ reports: reportsOf(numbers), gpuHours, ...(why !== undefined && { why }) },
    ...(flags & STOPPING && { stopping: true }),
    ...(flags & PROMOTED && { promoted: true }),
    ...(flags & REUSED && { reused: true }),
  };
}

function reportsOf(numbers: readonly number[]): readonly MetricReport[] {
  return Array.from({ length: numbers.length / 2 }, (_, index) => ({
    iterations: numbers[2 * index] ?? 0,
    value: numbers[2 * index + 1] ?? 0,
  }));
}

function flagsOf({ stopping, promoted, reused }: TrialState): number {
  return (stopping ? STOPPING : 0) | (promoted ? PROMOTED : 0) | (reused ? REUSED : 0);
}

function longestWhy(trials: readonly TrialState[]): number {
  const all = new Set(trials.flatMap(({ why }) => why ?? []));
  const bytes = [...all].reduce((sum, why) => sum + textBytes(why), 0);
  return bytes <= MOST_WHY_BYTES
    ? Infinity
    : Math.max(SHORTEST_WHY_BYTES, Math.floor(MOST_WHY_BYTES / all.size));
}

/** Texts that occur often, by their places in one list. */
class Places {
  readonly #places = new Map<string, number>();

  get all(): readonly string[] {
    return [...this.#places.keys()];
  }

  of(text: string): number {
    const found = this.#places.get(text);
    if (found !== undefined) return found;
    this.#places.set(text, this.#places.size);
    return this.#places.size - 1;
  }
}
