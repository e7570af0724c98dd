/** @module A pool's own file, `pools/<pool>.yaml` in the folder of configs. A pool without one has the defaults. */
import { join } from 'node:path';
import { z } from 'zod';
import { RUN_ID_PATTERN } from '../contracts/ids.ts';
import { DEFAULT_POOL_SETTINGS, type PoolSettings } from '../contracts/pool.ts';
import { duration } from './reading/durations.ts';
import { shownPath } from './environment/package-root.ts';
import { ConfigError } from './reading/problems.ts';
import { readConfigText } from './reading/small-file.ts';
import { schemaProblems } from './reading/schema-problems.ts';
import { parseYamlSource } from './reading/yaml-source.ts';

const poolSchema = z.strictObject({
  heartbeatTimeout: duration('3s', '1d')
    .optional()
    .describe('A host that was not heard of for so long is lost.'),
  ageAfter: duration('1s', '365d').optional().describe('Waiting so long counts as one more of priority.'),
  yieldWithin: duration('1s', '30d')
    .optional()
    .describe('A holder that is asked to yield may take so long to its next checkpoint.'),
  strikes: z.int().min(1).max(10_000).optional().describe('So many strikes within a day set a host aside.'),
  quotas: z
    .record(z.string().regex(RUN_ID_PATTERN, 'is not a team name'), z.int().min(0).max(1_000_000))
    .optional()
    .describe('GPUs that a team may hold at a time.'),
});

/** @throws ConfigError with all that is wrong with the file. */
export async function loadPoolSettings(pool: string, directory: string): Promise<PoolSettings> {
  // The name is that of a workflow, which anyone may have chosen: it leads nowhere else.
  if (!RUN_ID_PATTERN.test(pool)) return DEFAULT_POOL_SETTINGS;
  const path = join(directory, 'pools', `${pool}.yaml`);
  const text = await readConfigText(path, '');
  const source = parseYamlSource(shownPath(path), text);
  if (source.problems.length > 0) throw new ConfigError(source.problems);
  const parsed = poolSchema.safeParse(source.value ?? {});
  if (!parsed.success) {
    const jsonSchema = z.toJSONSchema(poolSchema, { io: 'input', target: 'draft-7' });
    throw new ConfigError(schemaProblems(parsed.error.issues, source, jsonSchema));
  }
  const { heartbeatTimeout, ageAfter, yieldWithin, strikes, quotas } = parsed.data;
  const defaults = DEFAULT_POOL_SETTINGS;
  return {
    heartbeatTimeoutMs: heartbeatTimeout ?? defaults.heartbeatTimeoutMs,
    ageAfterMs: ageAfter ?? defaults.ageAfterMs,
    yieldWithinMs: yieldWithin ?? defaults.yieldWithinMs,
    strikes: strikes ?? defaults.strikes,
    quotas: quotas ?? defaults.quotas,
  };
}
