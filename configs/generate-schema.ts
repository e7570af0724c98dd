/** @module Writes `joint.schema.json`, by which editors complete and check the configs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './package-root.ts';
import { jointJsonSchema } from './schema.ts';

writeFileSync(
  join(packageRoot, 'configs/joint.schema.json'),
  `${JSON.stringify(jointJsonSchema(), null, 2)}\n`,
);
