/**
 * @module What S3 holds as JSON, checked when it is read: somebody may have edited it, and versions differ.
 */
import { z } from 'zod';
import type { Checkpoint, Head, StoredFile } from '../../contracts/checkpoints.ts';
import {
  STAGES,
  VARIANTS,
  type Artifact,
  type ConfigValue,
  type Overrides,
  type Plan,
} from '../../contracts/plan.ts';
import type { StageResult } from '../../contracts/runs.ts';
import type { ArtifactPlan } from '../../contracts/weights.ts';
import type { ObjectStore, Version } from './object-store.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().min(0);

const storedFile: z.ZodType<StoredFile> = z.object({
  key: z.string(),
  sha256,
  sizeBytes: count,
  crc32: z
    .string()
    .regex(/^[0-9a-f]{8}$/)
    .exactOptional(),
});

export const checkpointSchema: z.ZodType<Checkpoint> = z.object({
  run: z.string(),
  stage: z.string(),
  token: count,
  name: z.string().regex(/^model_(\d{7,}|final)\.pth$/),
  iterations: count,
  final: z.boolean(),
  file: storedFile,
  savedAt: z.number(),
});

export const headSchema: z.ZodType<Head> = z.object({
  token: count,
  checkpoint: checkpointSchema.nullable(),
});

const artifact: z.ZodType<Artifact> = z.object({
  name: z.string(),
  bucket: z.string(),
  key: z.string(),
  sha256,
  sizeBytes: count,
  iterations: count,
  configFile: z.string(),
});

export const stageResultSchema: z.ZodType<StageResult> = z.object({
  stage: z.enum(STAGES),
  artifact,
  inputs: sha256,
  attempts: count,
  iterationsRun: count,
});

const gang = z.object({ hosts: count, gpusPerHost: count });

const configValue: z.ZodType<ConfigValue> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(configValue), overrides]),
);
const overrides: z.ZodType<Overrides> = z.record(z.string(), configValue);

const problem = z.object({
  level: z.enum(['error', 'warning']),
  file: z.string(),
  key: z.string(),
  line: z.number().exactOptional(),
  message: z.string(),
});

const artifactPlan: z.ZodType<ArtifactPlan> = z.object({
  name: z.string(),
  path: z.string(),
  recipe: z.discriminatedUnion('how', [
    z.object({
      how: z.literal('download'),
      sources: z.array(z.string()),
      sha256: sha256.exactOptional(),
      sizeBytes: count.exactOptional(),
    }),
    z.object({ how: z.literal('convert'), from: z.string(), drop: z.array(z.string()), prefix: z.string() }),
    z.object({
      how: z.literal('merge'),
      base: z.string(),
      except: z.string(),
      from: z.string(),
      under: z.string(),
      as: z.string(),
    }),
    z.object({ how: z.literal('trained'), run: z.string(), stage: z.string() }),
  ]),
});

export const planSchema: z.ZodType<Plan> = z.object({
  run: z.string(),
  config: z.string(),
  variant: z.enum(VARIANTS),
  stages: z.array(
    z.object({
      stage: z.enum(STAGES),
      configFile: z.string(),
      weights: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('checkout'), path: z.string(), sha256, sizeBytes: count }),
        z.object({ kind: z.literal('stage'), stage: z.enum(STAGES) }),
        z.object({ kind: z.literal('artifact'), artifact }),
        z.object({ kind: z.literal('prepared'), artifact: z.string() }),
      ]),
      overrides,
      settingsSha256: sha256,
      gang,
      pool: z.string(),
      maxIterations: count,
      checkpointPeriod: count,
      limits: z.object({
        heartbeatTimeoutMs: count,
        hostTimeoutMs: count,
        stallTimeoutMs: count,
        attemptsWithoutProgress: count,
        coverage: z.number().min(0).max(1).exactOptional(),
      }),
      files: z.array(z.object({ artifact: z.string(), path: z.string() })).exactOptional(),
    }),
  ),
  artifacts: z.array(artifactPlan).exactOptional(),
  warnings: z.array(problem),
});

/** Reads and checks an object of ours; undefined where there is none. Throws with the key when it is not what it should be. */
export async function readObject<T>(
  store: ObjectStore,
  name: string,
  schema: z.ZodType<T>,
  signal?: AbortSignal,
): Promise<{ readonly value: T; readonly version: Version } | undefined> {
  const found = await store.readText(name, signal);
  if (found === undefined) return undefined;
  return {
    value: parseObject(found.text, schema, `s3://${store.bucket}/${store.keyOf(name)}`),
    version: found.version,
  };
}

/** @param source Named in the error: what was read. */
export function parseObject<T>(text: string, schema: z.ZodType<T>, source: string): T {
  const parsed = schema.safeParse(parseJson(text, source));
  if (parsed.success) return parsed.data;
  throw new Error(`${source} is not what this version writes: ${z.prettifyError(parsed.error)}`);
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${source} is not JSON`, { cause });
  }
}
