/** @module What a joint training config may hold. `joint.schema.json` is generated from here, for editors. */
import { z } from 'zod';
import { STAGES } from '../../contracts/plan.ts';
import {
  checkpointPeriod,
  gang,
  limits,
  needs,
  ofWholeRuns,
  priority,
  retention,
  variant,
  weightsOf,
} from './schema-parts.ts';
import { overrides } from './overrides-schema.ts';
import { text } from '../reading/text-schema.ts';

const weights = weightsOf(STAGES).describe(
  'Initial weights. By default stage1 takes what its GLEE config names, a later stage those of the stage before.',
);

const stage = z
  .strictObject({
    config: text(500)
      .optional()
      .describe(
        "The GLEE config, relative to the checkout's root. By default GLEE's own for variant and stage.",
      ),
    weights: weights.optional(),
    gang: gang.optional(),
    needs: needs.optional(),
    priority: priority.optional(),
    approval: z
      .literal(true)
      .optional()
      .describe('The stage begins when a person says so (`glee approve`), and holds no hosts until then.'),
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
    variant,
    gang,
    ...ofWholeRuns,
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

/** The JSON Schema of what a user writes. */
export function jointJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(jointConfigSchema, { io: 'input', target: 'draft-7' });
}
