/** @module What S3 has of sweeps, read. */
import { z } from 'zod';
import { canonicalJson } from '../../planning/inputs-checksum.ts';
import { expandSweep } from '../../planning/sweeps/sweep-space.ts';
import { keys } from '../../contracts/ids.ts';
import {
  TRIAL_STATUSES,
  type SweepPlan,
  type SweepState,
  type Trial,
  type TrialRef,
} from '../../contracts/sweep.ts';
import type { LeaderboardRow, SweepComparison } from '../../contracts/sweep-results.ts';
import { fail } from '../support/failures.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import { configValue, overrides, readObject } from '../storage/schemas.ts';

const distribution = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('uniform'), low: z.number(), high: z.number() }),
  z.object({ kind: z.literal('logUniform'), low: z.number(), high: z.number() }),
  z.object({ kind: z.literal('choice'), values: z.array(configValue) }),
]);

export const sweepPlanSchema: z.ZodType<SweepPlan> = z.object({
  config: z.string(),
  base: z.object({ name: z.string(), settings: overrides }),
  space: z.object({
    list: z.array(overrides),
    grid: z.record(z.string(), z.array(configValue)),
    random: z
      .object({ samples: z.number(), seed: z.number(), space: z.record(z.string(), distribution) })
      .exactOptional(),
    seeds: z.array(z.number()),
  }),
  groupBy: z.string(),
  starts: z.record(z.string(), z.object({ from: z.string(), sha256: z.string() })).exactOptional(),
  trials: z.number(),
  metric: z.object({ name: z.string(), goal: z.enum(['max', 'min']) }),
  rule: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('none') }),
    z.object({ kind: z.literal('asha'), rungs: z.array(z.number()), reductionFactor: z.number() }),
    z.object({ kind: z.literal('median'), rungs: z.array(z.number()), atLeast: z.number() }),
  ]),
  limits: z.object({ concurrency: z.number(), gpuHours: z.number().exactOptional() }),
});

/** @throws MissingFile where there is no such sweep. */
export async function readSweepPlan(
  store: ObjectStore,
  sweep: string,
  signal: AbortSignal,
): Promise<SweepPlan> {
  const found = await readObject(store, keys.sweepPlan(sweep), sweepPlanSchema, signal);
  if (found !== undefined) return found.value;
  throw fail('MissingFile', `sweep '${sweep}' has no plan in S3`);
}

const trial: z.ZodType<Trial> = z.object({
  id: z.string(),
  group: z.string(),
  parameters: overrides,
  seed: z.number(),
  configuration: z.string().exactOptional(),
  inputs: z.string(),
});

const sweepStateSchema: z.ZodType<SweepState> = z.object({
  trials: z.array(
    z.object({
      id: z.string(),
      group: z.string(),
      configuration: z.string().exactOptional(),
      status: z.enum(TRIAL_STATUSES),
      rung: z.number(),
      reports: z.array(z.object({ iterations: z.number(), value: z.number() })),
      gpuHours: z.number(),
      why: z.string().exactOptional(),
      stopping: z.literal(true).exactOptional(),
      promoted: z.literal(true).exactOptional(),
      reused: z.literal(true).exactOptional(),
    }),
  ),
  added: z.array(trial),
});

/** Undefined while it has not ended for the first time. */
export async function readSweepState(
  store: ObjectStore,
  sweep: string,
  signal: AbortSignal,
): Promise<SweepState | undefined> {
  return (await readObject(store, keys.sweepState(sweep), sweepStateSchema, signal))?.value;
}

const row: z.ZodType<LeaderboardRow> = z.object({
  group: z.string(),
  parameters: overrides,
  trial: z.string(),
  best: z.number(),
  mean: z.number(),
  std: z.number().exactOptional(),
  n: z.number(),
  finished: z.boolean(),
  iterations: z.number(),
});

const comparisonSchema: z.ZodType<SweepComparison> = z.object({
  before: z.string(),
  after: z.string(),
  omittedRows: z.number().exactOptional(),
  rows: z.array(
    z.object({
      group: z.string(),
      before: row.exactOptional(),
      after: row.exactOptional(),
      difference: z.number().exactOptional(),
      noise: z.number().exactOptional(),
      p: z.number().exactOptional(),
      verdict: z.enum(['better', 'worse', 'within noise', 'unknown', 'new', 'gone']),
    }),
  ),
  regressions: z.array(z.string()),
  byChance: z.number(),
});

/** With the sweep before it of its schedule; undefined where there is none, or it has not ended. */
export async function readComparison(
  store: ObjectStore,
  sweep: string,
  signal: AbortSignal,
): Promise<SweepComparison | undefined> {
  return (await readObject(store, keys.sweepComparison(sweep), comparisonSchema, signal))?.value;
}

/** The trial that is meant, and the plan that it is one of. */
export async function findTrial(
  store: ObjectStore,
  ref: TrialRef,
  signal: AbortSignal,
): Promise<{ readonly plan: SweepPlan; readonly trial: Trial }> {
  const plan = await readSweepPlan(store, ref.sweep, signal);
  const found = 'added' in ref ? ref.added : expandSweep(plan).trialAt(ref.place);
  if (found === undefined) throw fail('InvalidConfig', `sweep '${ref.sweep}' has no such trial`);
  return { plan, trial: found };
}

/** What makes two plans the same sweep. */
export function decisive({ limits: _, ...plan }: SweepPlan): string {
  return canonicalJson(plan);
}
