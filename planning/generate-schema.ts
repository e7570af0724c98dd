/** @module Writes the JSON Schemas by which editors complete and check the configs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fineTuneJsonSchema } from './schemas/fine-tune-schema.ts';
import { packageRoot } from './environment/package-root.ts';
import { jointJsonSchema } from './schemas/joint-schema.ts';
import { sweepJsonSchema } from './schemas/sweep-schema.ts';

const schemas = { joint: jointJsonSchema(), finetune: fineTuneJsonSchema(), sweep: sweepJsonSchema() };

for (const [name, schema] of Object.entries(schemas)) {
  const path = join(packageRoot, `configs/${name}.schema.json`);
  writeFileSync(path, `${JSON.stringify(schema, null, 2)}\n`);
}
