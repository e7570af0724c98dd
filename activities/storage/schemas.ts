/**
 * @module What S3 holds as JSON, checked when it is read: someone may have edited it, and versions differ.
 */
import { z } from 'zod';
import type { Checkpoint, Head, StoredFile } from '../../contracts/checkpoints.ts';
import { FAILURE_CLASSES } from '../../contracts/failures.ts';
import {
  TIMED_PHASES,
  ALL_STAGES,
  VARIANTS,
  type Artifact,
  type ConfigValue,
  type Overrides,
  type Plan,
  type StagePlan,
} from '../../contracts/plan.ts';
import type { DatasetPlan } from '../../contracts/datasets.ts';
import type { EvaluationResult } from '../../contracts/evaluation.ts';
import type { StageChanges, StageResult } from '../../contracts/runs.ts';
import type { ArtifactPlan } from '../../contracts/weights.ts';
import { parseBoundedJson } from '../files/bounded-json.ts';
import type { ObjectStore, Version } from './ports/object-store.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().min(0);

/** S3 servers answer '..' each in their own way, none of them by name. */
const objectKey = z
  .string()
  .min(1)
  .max(1024)
  .refine((key) => !key.split('/').includes('..'), "must be an object's key, without '..'");

const storedFile: z.ZodType<StoredFile> = z.object({
  key: objectKey,
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
  times: z
    .object({
      secondsPerIteration: z.number().exactOptional(),
      stall: z.number().exactOptional(),
      save: z.number().exactOptional(),
      upload: z.number().exactOptional(),
      commit: z.number().exactOptional(),
      restores: z.array(z.object({ host: z.string(), at: z.number(), seconds: z.number() })).exactOptional(),
    })
    .exactOptional(),
});

export const headSchema: z.ZodType<Head> = z.object({
  token: count,
  checkpoint: checkpointSchema.nullable(),
  left: z.array(z.object({ by: count, after: count })).exactOptional(),
});

const artifact: z.ZodType<Artifact> = z.object({
  name: z.string(),
  bucket: z.string(),
  key: objectKey,
  sha256,
  sizeBytes: count,
  iterations: count,
  configFile: z.string(),
});

export const stageResultSchema: z.ZodType<StageResult> = z.object({
  stage: z.enum(ALL_STAGES),
  artifact,
  inputs: sha256,
  attempts: count,
  iterationsRun: count,
  lastFailure: z.string().exactOptional(),
  trainedSeconds: z.number().exactOptional(),
});

export const changesSchema: z.ZodType<StageChanges> = z.object({
  maxIterations: count.exactOptional(),
  priority: count.exactOptional(),
  learningRate: z.number().positive().exactOptional(),
});

export const evaluationSchema: z.ZodType<EvaluationResult> = z.object({
  checkpoint: z.string(),
  sha256,
  iterations: count,
  inputs: sha256,
  metrics: z.array(z.object({ dataset: z.string(), metric: z.string(), value: z.number() })),
  files: z
    .array(z.object({ path: z.string(), bucket: z.string(), key: z.string(), sha256, sizeBytes: count }))
    .exactOptional(),
});

const gang = z.object({ hosts: count, gpusPerHost: count });

export const configValue: z.ZodType<ConfigValue> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(configValue), overrides]),
);
export const overrides: z.ZodType<Overrides> = z.record(z.string(), configValue);

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
      trusted: z.literal(true).exactOptional(),
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

const dataset: z.ZodType<DatasetPlan> = z.object({
  name: z.string(),
  annotations: z.string(),
  images: z.string(),
  task: z.string(),
  words: z.array(z.string()).exactOptional(),
  fewShot: z.object({ shots: count, seed: count }).exactOptional(),
});

const stagePlan: z.ZodType<StagePlan> = z.object({
  stage: z.enum(ALL_STAGES),
  configFile: z.string(),
  weights: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('checkout'), path: z.string(), sha256, sizeBytes: count }),
    z.object({ kind: z.literal('stage'), stage: z.enum(ALL_STAGES) }),
    z.object({ kind: z.literal('artifact'), artifact }),
    z.object({ kind: z.literal('prepared'), artifact: z.string() }),
  ]),
  overrides,
  settingsSha256: sha256,
  gang,
  pool: z.string(),
  priority: count.exactOptional(),
  team: z.string().exactOptional(),
  needs: z
    .object({
      gpuMemoryMiB: count.exactOptional(),
      labels: z.record(z.string(), z.string()).exactOptional(),
    })
    .exactOptional(),
  approval: z.literal(true).exactOptional(),
  maxIterations: count,
  checkpointPeriod: count,
  learningRateSteps: z.array(z.number()).exactOptional(),
  saveEvery: z
    .discriminatedUnion('kind', [
      z.object({ kind: z.literal('auto') }),
      z.object({ kind: z.literal('seconds'), seconds: z.number() }),
    ])
    .exactOptional(),
  retention: z
    .object({ newest: count, every: count.exactOptional(), at: z.array(count).exactOptional() })
    .exactOptional(),
  limits: z.object({
    heartbeatTimeoutMs: count,
    hostTimeoutMs: count,
    stallTimeoutMs: count,
    attemptsWithoutProgress: count,
    budgets: z.partialRecord(z.enum(FAILURE_CLASSES), count).exactOptional(),
    phaseTimeoutsMs: z.partialRecord(z.enum(TIMED_PHASES), count).exactOptional(),
    lossSpike: z.number().exactOptional(),
    coverage: z.number().min(0).max(1).exactOptional(),
  }),
  datasets: z.array(dataset).exactOptional(),
  files: z.array(z.object({ artifact: z.string(), path: z.string() })).exactOptional(),
  evaluatedAfter: z.literal(true).exactOptional(),
});

export const planSchema: z.ZodType<Plan> = z.object({
  run: z.string(),
  config: z.string(),
  variant: z.enum(VARIANTS),
  stages: z.array(stagePlan),
  artifacts: z.array(artifactPlan).exactOptional(),
  warnings: z.array(problem),
});

/** Reads and checks an object of ours; undefined where there is none. @throws UnreadableObject with the key. */
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

/**
 * @param source Named in the error: what was read.
 * @throws UnreadableObject
 */
export function parseObject<T>(text: string, schema: z.ZodType<T>, source: string): T {
  return parseBoundedJson(text, schema, source);
}
