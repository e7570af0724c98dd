/** @module What a fine-tune's config may hold. `finetune.schema.json` is generated from here, for editors. */
import { z } from 'zod';
import { RUN_ID_PATTERN } from '../../contracts/ids.ts';
import { ALL_STAGES } from '../../contracts/plan.ts';
import { overrides } from './overrides-schema.ts';
import { gang, ofWholeRuns, variant, weightsOf } from './schema-parts.ts';
import { datasetName, text } from '../reading/text-schema.ts';

/** DETECTRON2_DATASETS may lie elsewhere on each host. */
const datasetPath = text(500).refine(
  (path) => !/^([/~]|[a-z]+:)/.test(path) && !path.split('/').includes('..'),
  {
    error: 'must be relative to DETECTRON2_DATASETS, and stay in it',
  },
);

/** Parts of names by which GLEE's train_net.py and GLEE.py choose readers, evaluators and tasks. */
const MEANINGFUL =
  /ytvis|ovis|video|rvos|ytbvos|lvvis|^lvis|objects365|obj365|openimage|bdd_det|odinw|refcoco|minival/;

const name = z
  .string()
  .regex(RUN_ID_PATTERN, 'is not a name: letters, digits, - and _')
  .refine((given) => !MEANINGFUL.test(given), {
    error:
      'has a part by which GLEE takes a data set for another kind (video, lvis, openimage, refcoco …): call it otherwise',
  });

const split = z.strictObject({
  annotations: datasetPath.describe('COCO annotations, relative to DETECTRON2_DATASETS.'),
  images: datasetPath.describe('Folder of the images, relative to DETECTRON2_DATASETS.'),
});

const ownTask = z.strictObject({
  coco: z
    .strictObject({
      name: name.describe('What to call the data set.'),
      ...split.shape,
      validation: split.describe('What checkpoints are evaluated on.'),
      words: z
        .array(text(200))
        .min(1)
        .max(10_000)
        .optional()
        .describe(
          'What GLEE is told of the categories, in the order of their ids. By default their names in the annotations.',
        ),
      masks: z
        .boolean()
        .default(true)
        .describe('False: the annotations have boxes alone, and boxes alone are evaluated. Default true.'),
      trainImages: z
        .int()
        .min(1)
        .max(1_000_000_000)
        .optional()
        .describe('Images to train on, about: the default schedule follows from it.'),
    })
    .describe('A data set of your own.'),
});

const task = z
  .union([
    z
      .string()
      .max(200)
      .regex(/^(odinw|video)\/[\w.-]+$/, 'must be odinw/<data set> or video/<task>'),
    ownTask,
  ])
  .describe(
    'odinw/<data set> (configs/odinw.yaml has all), video/{ytvis19,ovis,tao,burst} (lvvis to evaluate alone), or a data set of your own under coco.',
  );

const weights = weightsOf(ALL_STAGES).describe(
  "Initial weights. By default the model zoo's GLEE_<variant>_joint.pth.",
);

/** NumPy takes none beyond 32 bits, and each rank adds its own number. */
const LARGEST_SEED = 2 ** 31 - 1;

const fewShot = z
  .strictObject({
    shots: z.literal([1, 3, 5, 10]).describe('Images of each category: 1, 3, 5 or 10.'),
    seed: z
      .int()
      .min(0)
      .max(LARGEST_SEED)
      .default(0)
      .describe('Which images: the same seed draws the same ones. Default 0.'),
  })
  .describe('Trains on a part of the training split.');

const evaluation = z
  .strictObject({
    datasets: z
      .array(datasetName)
      .min(1)
      .max(100)
      .optional()
      .describe("Data sets to evaluate on, as DATASETS.TEST names them. By default the task's own."),
    metric: z
      .string()
      .max(100)
      .regex(/^[\w-]+\/[\w@.-]+$/, 'is not a metric: write kind/figure, as bbox/AP')
      .optional()
      .describe('What the best checkpoint is chosen by; larger is better. Default bbox/AP.'),
    checkpoints: z
      .union([z.enum(['final', 'kept']), z.array(z.int().min(1).max(1_000_000_000)).min(1).max(1000)])
      .optional()
      .describe('final, kept (all that S3 keeps), or a list of iterations. Default kept.'),
  })
  .describe('How the checkpoints are compared.');

export const fineTuneConfigSchema = z
  .strictObject({
    task,
    variant,
    weights: weights.optional(),
    gang: gang
      .optional()
      .default({ hosts: 1, gpusPerHost: 8 })
      .describe('The hosts that train together. Default 1 × 8.'),
    ...ofWholeRuns,
    fewShot: fewShot.optional(),
    evaluation: evaluation.optional(),
    overrides: overrides.optional(),
  })
  .describe('A fine-tune of GLEE: which task, which variant, from which weights, and what differs.');

export type FineTuneConfig = z.output<typeof fineTuneConfigSchema>;
export type OwnDataset = z.output<typeof ownTask>['coco'];

/** The JSON Schema of what a user writes. */
export function fineTuneJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(fineTuneConfigSchema, { io: 'input', target: 'draft-7' });
}
