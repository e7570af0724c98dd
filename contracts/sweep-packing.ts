/**
 * @module A sweep's state in few bytes, for what crosses a continue-as-new and for the activity that keeps it. What is
 * unpacked is checked: anybody may start a workflow with any input.
 */
import { z } from 'zod';
import {
  LONGEST_GROUP_BYTES,
  MOST_ADDED_TRIALS,
  MOST_GROUPS,
  MOST_REPORTS,
  MOST_RUNGS,
  MOST_TRIALS,
} from './sweep-bounds.ts';
import { addedTrialSchema, parseInput, type Parsed } from './sweep-messages.ts';
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
  const parsed = parseInput(carriedSchema, carried, 'what a sweep hands on');
  if (!parsed.ok) return parsed;
  const { rules, state, begun } = parsed.value;
  const unpacked = unpack(state);
  return unpacked.ok ? { ok: true, value: { rules, state: unpacked.value, begun } } : unpacked;
}

export function unpackSweepState(packed: unknown): Parsed<SweepState> {
  const parsed = parseInput(packedSchema, packed, 'the state of a sweep');
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

const count = z.int().min(0);
const packedTrialSchema = z.tuple(
  [
    z.string().max(63),
    z.string().max(64),
    count,
    count,
    count.max(MOST_REPORTS),
    z.number().min(0),
    count,
    z.int().min(-1),
  ],
  z.number(),
);
const packedSchema = z.strictObject({
  groups: z.array(z.string().max(LONGEST_GROUP_BYTES)).max(MOST_GROUPS + MOST_ADDED_TRIALS),
  whys: z.array(z.string()).max(MOST_TRIALS),
  trials: z.array(packedTrialSchema).max(MOST_TRIALS),
  added: z.array(addedTrialSchema).max(MOST_ADDED_TRIALS),
});

const ruleSchema: z.ZodType<StoppingRule> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({
    kind: z.literal('asha'),
    rungs: z.array(count).max(MOST_RUNGS),
    reductionFactor: z.int().min(2),
  }),
  z.strictObject({
    kind: z.literal('median'),
    rungs: z.array(count).max(MOST_RUNGS),
    atLeast: z.int().min(1),
  }),
]);
const carriedSchema = z.strictObject({
  rules: z.strictObject({
    metric: z.strictObject({ name: z.string().max(1000), goal: z.enum(['max', 'min']) }),
    rule: ruleSchema,
    limits: z.strictObject({
      concurrency: z.int().min(1).max(1000),
      gpuHours: z.number().positive().exactOptional(),
    }),
  }),
  state: packedSchema,
  begun: z.array(z.string().max(63)).max(MOST_TRIALS),
});

function unpack({ groups, whys, trials, added }: z.output<typeof packedSchema>): Parsed<SweepState> {
  const unpacked = trials.flatMap((trial) => unpackTrial(trial, groups, whys) ?? []);
  const ids = new Set(unpacked.map(({ id }) => id));
  if (unpacked.length < trials.length || added.length > trials.length || ids.size < trials.length)
    return { ok: false, problem: 'its trials do not fit together' };
  return { ok: true, value: { trials: unpacked, added } };
}

function unpackTrial(
  [id, configuration, groupAt, statusAt, rung, gpuHours, flags, whyAt, ...numbers]: z.output<
    typeof packedTrialSchema
  >,
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
