/** @module The parts that configs of joint trainings and of fine-tunes share. */
import { z } from 'zod';
import { parseCheckpointRef } from '../../contracts/checkpoints.ts';
import { HIGHEST_PRIORITY } from '../../contracts/controls.ts';
import { RUN_ID_PATTERN } from '../../contracts/ids.ts';
import { VARIANTS, type ALL_STAGES, type TimedPhase } from '../../contracts/plan.ts';
import { duration, durationText } from '../reading/durations.ts';
import { text } from '../reading/text-schema.ts';

/** Signs of progress come twice a second, and are looked for as often. */
const phaseLimit = duration('1s', '7d');

/** More than any pool or training has, and nothing that could not be meant. */
const MOST = {
  hosts: 1024,
  gpusPerHost: 64,
  attempts: 10_000,
  iterations: 1_000_000_000,
  checkpoints: 10_000,
};

const phases = z
  .strictObject({
    start: phaseLimit.optional(),
    rendezvous: phaseLimit.optional(),
    data: phaseLimit.optional(),
    'first iteration': phaseLimit.optional(),
    iteration: phaseLimit.optional(),
    saving: phaseLimit.optional(),
    evaluating: phaseLimit.optional(),
  } satisfies Record<TimedPhase, unknown>)
  .describe(
    "How long the trainer may show no progress in a phase, in the place of what follows from the run's own pace.",
  );

export const gang = z
  .strictObject({
    hosts: z.int().min(1).max(MOST.hosts).describe('Machines that train together, whole or not at all.'),
    gpusPerHost: z
      .int()
      .min(1)
      .max(MOST.gpusPerHost)
      .describe('GPUs that each of them gives. World size is hosts × gpusPerHost.'),
  })
  .describe('The hosts that train together.');

const budget = z.int().min(0).max(MOST.attempts).optional();

export const limits = z
  .strictObject({
    heartbeatTimeout: duration('500ms', '1d')
      .optional()
      .describe(
        'A host without a sign of life for so long is asked again; the trainer continues. Default 60s.',
      ),
    hostTimeout: duration('1s', '30d')
      .optional()
      .describe('A host whose worker does not pick up its work for so long counts as lost. Default 5m.'),
    stallTimeout: duration('1s', '30d')
      .optional()
      .describe(
        'A trainer that shows no progress for so long hangs, and is killed; phases whose length is known have shorter limits. Default 30m.',
      ),
    phases: phases.optional(),
    attemptsWithoutProgress: z
      .int()
      .min(1)
      .max(MOST.attempts)
      .optional()
      .describe('Attempts in a row without a newer checkpoint before the stage gives up. Default 10.'),
    budgets: z
      .strictObject({
        trainer: budget.describe('Trainers that crashed, were killed or could not meet.'),
        hang: budget.describe('Trainers without progress.'),
        host: budget.describe('Hosts that were lost or unfit.'),
        divergence: budget.describe('Losses that are no numbers, or far from their usual height.'),
        checkpoint: budget.describe('Checkpoints that were damaged.'),
      })
      .optional()
      .describe('The same for failures of one kind alone. By default attemptsWithoutProgress for each.'),
    lossSpike: z
      .union([z.literal('off'), z.number().min(2)])
      .optional()
      .describe(
        'A total_loss so many times its usual height, for five lines of metrics, ends the attempt. Default 10; off: never.',
      ),
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

export const checkpointPeriod = z
  .union([
    z.literal('auto'),
    z.int().min(1).max(MOST.iterations),
    durationText('1s', '30d', "neither 'auto' nor a number of iterations, and "),
  ])
  .describe(
    "How often to save: iterations, a duration as 30m, or auto for what loses the least by what saving costs and how often things fail. By default GLEE's SOLVER.CHECKPOINT_PERIOD.",
  );

export const retention = z
  .strictObject({
    newest: z
      .int()
      .min(2)
      .max(MOST.checkpoints)
      .optional()
      .describe('So many of the newest checkpoints stay. Default 3.'),
    every: z
      .int()
      .min(1)
      .max(MOST.iterations)
      .optional()
      .describe('Checkpoints of multiples of so many iterations stay for ever.'),
  })
  .describe('Which checkpoints stay in S3, besides final weights and what is pinned.');

/** @param stages Those whose final weights another run may give. */
export function weightsOf<const S extends readonly [string, ...string[]]>(stages: S) {
  return z.union([
    z.strictObject({
      path: text(500).describe("A file in the GLEE checkout, relative to the checkout's root."),
    }),
    z.strictObject({
      run: z
        .string()
        .regex(RUN_ID_PATTERN, 'is not a run id')
        .describe(
          'Another run: the final weights of the stage below, or without one its newest, those of the last stage that it has finished.',
        ),
      stage: z.enum(stages).optional().describe('The stage of that run whose final weights to take.'),
    }),
    z.strictObject({
      from: text(200)
        .refine((ref) => typeof parseCheckpointRef(ref)?.which === 'number' || ref.endsWith('@final'), {
          error:
            'names no checkpoint: write run/stage@iterations, as lite-1/stage1@50000, or run/stage@final',
        })
        .describe('Any checkpoint of any run, as lite-1/stage1@50000.'),
    }),
    z.strictObject({
      artifact: text(100).describe('An artifact of configs/artifacts.yaml, or of your own artifacts.yaml.'),
    }),
  ]);
}

/** As GLEE_LABELS may say it. */
const labelValue = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,63}$/, "is no value of a label: up to 63 letters, digits, '.', '_' or '-'");

export const needs = z
  .strictObject({
    gpuMemoryGiB: z
      .number()
      .positive()
      .max(100_000)
      .optional()
      .describe('Memory that each GPU must have, at least.'),
    labels: z
      .record(z.string().regex(RUN_ID_PATTERN, 'is not a label'), labelValue)
      .optional()
      .describe("What the host's worker says of it in GLEE_LABELS, as zone: b."),
  })
  .describe('What the hosts must have.');

export const priority = z
  .int()
  .min(0)
  .max(HIGHEST_PRIORITY)
  .describe('The pool serves larger ones first, and asks less urgent ones to yield. Default 0.');

const pool = z.string().regex(RUN_ID_PATTERN, 'is not a pool name').describe('Pool to take the hosts from.');

const team = z
  .string()
  .regex(RUN_ID_PATTERN, 'is not a team name')
  .describe('Whose quota of the pool it counts for (configs/pools).');

/** Where and how a run trains, in the order in which the JSON Schemas have it. */
export const ofWholeRuns = {
  pool: pool.optional(),
  team: team.optional(),
  needs: needs.optional(),
  priority: priority.optional(),
  checkpointPeriod: checkpointPeriod.optional(),
  retention: retention.optional(),
  limits: limits.optional(),
};

export const variant = z
  .enum(VARIANTS)
  .describe('Lite is ResNet-50, Plus is Swin-Large, Pro is EVA02-Large.');

export type GangConfig = z.output<typeof gang>;
export type NeedsConfig = z.output<typeof needs>;
export type LimitsConfig = z.output<typeof limits>;
export type RetentionConfig = z.output<typeof retention>;
export type PeriodConfig = z.output<typeof checkpointPeriod>;
export type WeightsConfig = z.output<ReturnType<typeof weightsOf<typeof ALL_STAGES>>>;
