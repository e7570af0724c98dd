/** @module What a sweep's config may hold. `sweep.schema.json` is generated from here, for editors. */
import { z } from 'zod';
import { MOST_RUNGS, MOST_TRIALS } from '../../contracts/sweep-bounds.ts';
import { configValue } from './overrides-schema.ts';
import { text } from '../reading/text-schema.ts';

const KEY_PATTERN = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

const parameter = z
  .string()
  .max(200)
  .regex(KEY_PATTERN, 'is not a dotted key of a fine-tune config, as overrides.SOLVER.BASE_LR');

const range = z
  .tuple([z.number(), z.number()])
  .refine(([low, high]) => low < high, { error: 'must be [lowest, highest]' });

const distribution = z.union([
  z.strictObject({ uniform: range.describe('Evenly between the two.') }),
  z.strictObject({
    logUniform: range
      .refine(([low]) => low > 0, { error: 'must be above 0: it is drawn by its logarithm' })
      .describe('Evenly between the two by order of magnitude, as learning rates are.'),
  }),
  z.strictObject({ choice: z.array(configValue).min(1).max(MOST_TRIALS).describe('One of them.') }),
]);

/** NumPy takes none beyond 32 bits, and each rank adds its own number. */
const seed = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

const rungs = z
  .array(z.int().min(1).max(1_000_000_000))
  .min(1)
  .max(MOST_RUNGS)
  .refine((all) => all.every((rung, index) => index === 0 || rung > (all[index - 1] ?? 0)), {
    error: 'must ascend',
  })
  .describe('Iterations at which a trial rests, is evaluated, and continues if it is good enough there.');

const earlyStopping = z
  .union([
    z.strictObject({
      asha: z
        .strictObject({
          rungs,
          reductionFactor: z
            .int()
            .min(2)
            .max(MOST_TRIALS)
            .optional()
            .describe('One in so many continues. Default 3.'),
        })
        .describe('Asynchronous successive halving.'),
    }),
    z.strictObject({
      median: z
        .strictObject({
          rungs,
          atLeast: z
            .int()
            .min(1)
            .max(MOST_TRIALS)
            .optional()
            .describe('Nothing is stopped before so many others got as far. Default 3.'),
        })
        .describe('Stops what is worse than the median of the others.'),
    }),
  ])
  .describe('When a trial that does worse than others is given up. By default never.');

export const sweepConfigSchema = z
  .strictObject({
    base: text(200).describe('The fine-tune config that every trial starts from, as finetune/odinw.'),
    list: z
      .array(z.record(parameter, configValue))
      .min(1)
      .max(MOST_TRIALS)
      .optional()
      .describe('Trials one by one, each with the keys that it sets.'),
    grid: z
      .record(parameter, z.array(configValue).min(1).max(MOST_TRIALS))
      .optional()
      .describe(
        'Every combination of one value of each key. With a list or draws: each of those with each of these.',
      ),
    random: z
      .strictObject({
        samples: z.int().min(1).max(MOST_TRIALS).describe('So many different draws.'),
        seed: seed.describe('The same seed draws the same.'),
        space: z.record(parameter, distribution).describe('What each key is drawn from.'),
      })
      .optional()
      .describe('Draws; the same ones for each combination of the grid.'),
    seeds: z
      .union([z.int().min(1).max(MOST_TRIALS), z.array(seed).min(1).max(MOST_TRIALS)])
      .optional()
      .describe('Repeats of every trial: how many, or their seeds. Default 1.'),
    groupBy: parameter
      .optional()
      .describe('Trials are compared with those of the same value of this key. Default task.'),
    metric: z
      .strictObject({
        name: text(100).describe('As an evaluation names it: bbox/AP.'),
        goal: z.enum(['max', 'min']).optional().describe('Default max.'),
      })
      .describe('What trials are compared by.'),
    concurrency: z.int().min(1).max(1000).describe('Trials that train at the same time, at most.'),
    budget: z
      .strictObject({ gpuHours: z.number().positive().max(1_000_000_000) })
      .optional()
      .describe('What the sweep may use. Spent, it stops what runs and starts nothing more.'),
    earlyStopping: earlyStopping.optional(),
  })
  .describe('A sweep: fine-tunes of one base config that differ in some keys, compared by one metric.');

export type SweepConfig = z.output<typeof sweepConfigSchema>;
export type DistributionConfig = z.output<typeof distribution>;

export function sweepJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(sweepConfigSchema, { io: 'input', target: 'draft-7' });
}
