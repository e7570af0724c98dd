/** @module What a joint training config may hold. `joint.schema.json` is generated from here, for editors. */
import { z } from 'zod';
import { parseCheckpointRef } from '../contracts/checkpoints.ts';
import { RUN_ID_PATTERN } from '../contracts/ids.ts';
import { STAGES, VARIANTS } from '../contracts/plan.ts';
import { DURATION_PATTERN, durationMs } from './durations.ts';

const duration = z
  .string()
  .regex(DURATION_PATTERN, 'is no duration: write a number and a unit, as 500ms, 30s, 5m, 2h or 1d')
  .transform((text) => durationMs(text) ?? 0);

const gang = z
  .strictObject({
    hosts: z.int().min(1).describe('Machines that train together, whole or not at all.'),
    gpusPerHost: z.int().min(1).describe('GPUs that each of them gives. World size is hosts × gpusPerHost.'),
  })
  .describe('The hosts that train together.');

const limits = z
  .strictObject({
    heartbeatTimeout: duration
      .optional()
      .describe(
        'A host without a sign of life for so long is asked again; the trainer goes on. Default 60s.',
      ),
    hostTimeout: duration
      .optional()
      .describe('A host whose worker does not pick up its work for so long counts as lost. Default 5m.'),
    stallTimeout: duration
      .optional()
      .describe('A trainer that shows no progress for so long hangs, and is killed. Default 30m.'),
    attemptsWithoutProgress: z
      .int()
      .min(1)
      .optional()
      .describe('Attempts in a row without a newer checkpoint before the stage gives up. Default 10.'),
    coverage: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe(
        "Share of the model's parameters that the initial weights must match before a stage trains. Default 0.01 for stage1, 0.5 for stage2, 0.95 for stage3.",
      ),
  })
  .describe(
    'How long what may take, how often it may fail, and what weights must match. Durations as 30s, 5m or 2h.',
  );

const checkpointPeriod = z
  .union([
    z.literal('auto'),
    z.int().min(1),
    z.string().regex(DURATION_PATTERN, "is neither 'auto' nor a number of iterations nor a duration as 30m"),
  ])
  .describe(
    "How often to save: iterations, a duration as 30m, or auto for what loses the least by what saving costs and how often things fail. By default GLEE's SOLVER.CHECKPOINT_PERIOD.",
  );

const retention = z
  .strictObject({
    newest: z.int().min(2).optional().describe('So many of the newest checkpoints stay. Default 3.'),
    every: z
      .int()
      .min(1)
      .optional()
      .describe('Checkpoints of multiples of so many iterations stay for ever.'),
  })
  .describe('Which checkpoints stay in S3, besides final weights and what is pinned.');

const overrides = z
  .record(z.string(), z.json())
  .describe(
    "Settings laid over GLEE's config, nested as in its YAML. A list replaces GLEE's list as a whole.",
  );

const weights = z
  .union([
    z.strictObject({
      path: z.string().min(1).describe("A file in the GLEE checkout, relative to the checkout's root."),
    }),
    z.strictObject({
      run: z
        .string()
        .regex(RUN_ID_PATTERN, 'is no run id')
        .describe('Another run that has finished the stage below.'),
      stage: z.enum(STAGES).describe('The stage of that run whose final weights to take.'),
    }),
    z.strictObject({
      from: z
        .string()
        .refine((text) => typeof parseCheckpointRef(text)?.which === 'number' || text.endsWith('@final'), {
          error:
            'names no checkpoint: write run/stage@iterations, as lite-1/stage1@50000, or run/stage@final',
        })
        .describe('Any checkpoint of any run, as lite-1/stage1@50000.'),
    }),
    z.strictObject({
      artifact: z
        .string()
        .min(1)
        .describe('An artifact of configs/artifacts.yaml, or of your own artifacts.yaml.'),
    }),
  ])
  .describe(
    'Initial weights. By default stage1 takes what its GLEE config names, a later stage those of the stage before.',
  );

const stage = z
  .strictObject({
    config: z
      .string()
      .min(1)
      .optional()
      .describe(
        "The GLEE config, relative to the checkout's root. By default GLEE's own for variant and stage.",
      ),
    weights: weights.optional(),
    gang: gang.optional(),
    checkpointPeriod: checkpointPeriod.optional(),
    retention: retention.optional(),
    limits: limits.optional(),
    overrides: overrides.optional(),
  })
  .nullable()
  .transform((value) => value ?? {})
  .meta({ id: 'stage' });

export const jointConfigSchema = z
  .strictObject({
    variant: z.enum(VARIANTS).describe('Lite is ResNet-50, Plus is Swin-Large, Pro is EVA02-Large.'),
    gang,
    pool: z
      .string()
      .regex(RUN_ID_PATTERN, 'is no pool name')
      .optional()
      .describe('Pool to take the hosts from.'),
    checkpointPeriod: checkpointPeriod.optional(),
    retention: retention.optional(),
    limits: limits.optional(),
    overrides: overrides.optional(),
    stages: z
      .strictObject({
        stage1: stage.optional().describe('Objects365 and OpenImages pretraining.'),
        stage2: stage.optional().describe('Image-level joint training.'),
        stage3: stage.optional().describe('Scaled up with SA1B and GRIT.'),
      })
      .refine(
        (stages) => STAGES.some((name) => stages[name] !== undefined),
        'names no stage: write the ones to train, as `stage1:` with nothing after it',
      )
      .describe('The stages to train, in this order. One that is left out is not trained.'),
  })
  .describe(
    "A joint training of GLEE: which variant, on which hosts, which stages, and what differs from GLEE's own settings.",
  );

export type JointConfig = z.output<typeof jointConfigSchema>;
export type StageConfig = NonNullable<JointConfig['stages']['stage1']>;
export type LimitsConfig = NonNullable<JointConfig['limits']>;

/** The JSON Schema of what a user writes. */
export function jointJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(jointConfigSchema, { io: 'input', target: 'draft-7' });
}
