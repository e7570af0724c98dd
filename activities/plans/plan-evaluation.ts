/**
 * @module How a checkpoint is to be evaluated: with the config of the run that left it, or with another fine-tune's.
 */
import { evaluationInputs } from '../../planning/inputs-checksum.ts';
import type { PlannedEvaluation } from '../../contracts/activities.ts';
import { describeRef, parseCheckpointRef, type CheckpointRef } from '../../contracts/checkpoints.ts';
import type { EvaluateInput, EvaluationTask } from '../../contracts/evaluation.ts';
import type { FineTunePlan } from '../../contracts/fine-tune.ts';
import { keys } from '../../contracts/ids.ts';
import type { ConfigValue, StagePlan } from '../../contracts/plan.ts';
import { pinForEvaluation } from '../checkpoints/evaluation-pins.ts';
import { findCheckpoint } from '../checkpoints/find.ts';
import { evaluationName } from '../training/evaluation/evaluation-name.ts';
import { fail } from '../support/failures.ts';
import type { Bucket } from '../storage/bucket.ts';
import { nameOfKey } from '../storage/ports/object-store.ts';
import { evaluationSchema, planSchema, readObject } from '../storage/schemas.ts';

export async function planEvaluation(
  bucket: Bucket,
  { checkpoint: named, config, datasets: asked }: EvaluateInput,
  resolve: (run: string, config: string) => Promise<FineTunePlan>,
  workflow: string,
  signal: AbortSignal,
): Promise<PlannedEvaluation> {
  const ref = parseCheckpointRef(named);
  if (ref === undefined)
    throw fail(
      'InvalidConfig',
      `'${named}' names no checkpoint: write run/stage@iterations, as rabbits-1/finetune@final`,
    );
  const checkpoint = await findCheckpoint(bucket, ref, signal);
  if (checkpoint === undefined)
    throw fail(
      'MissingFile',
      `there is no checkpoint '${named}' in S3: 'glee checkpoints list ${ref.run}' shows what there is`,
    );
  const { plan, tested } = await howToEvaluate(bucket, ref, config, resolve, signal);
  const datasets = asked ?? tested;
  if (datasets.length === 0)
    throw fail(
      'InvalidConfig',
      `nothing says on which data sets to evaluate '${named}': name them in 'datasets', or a config that tests on some`,
    );
  const { run, stage, iterations, file } = checkpoint;
  const name = describeRef({ run, stage, which: iterations });
  const { key, sha256, sizeBytes } = file;
  const task: EvaluationTask = {
    ...{ run, stage, checkpoint: name, iterations, datasets },
    plan: { ...plan, gang: { hosts: 1, gpusPerHost: plan.gang.gpusPerHost } },
    weights: { name, bucket: bucket.store.bucket, key, sha256, sizeBytes },
    inputs: evaluationInputs(plan, sha256, datasets),
  };
  const kept = keys.evaluation(run, stage, evaluationName(task));
  const done = await readObject(bucket.store, kept, evaluationSchema, signal);
  // Without metrics and files it is the record of an evaluation whose results were lost.
  const isWhole = done !== undefined && (done.value.metrics.length > 0 || done.value.files !== undefined);
  if (isWhole && done.value.inputs === task.inputs) return { task, done: done.value };
  // It may wait for a host for days, in which its training saves others.
  const pinned = await pinForEvaluation(bucket, checkpoint, workflow, signal);
  const isThere = pinned !== undefined || (await bucketHas(bucket, key, sizeBytes, signal));
  if (!isThere) throw fail('MissingFile', `${name} has just been removed from S3: name another checkpoint`);
  return { task, ...(pinned && { pinned }) };
}

/** What the head names may have no manifest, and so no pin. */
async function bucketHas(
  { store, objects }: Bucket,
  key: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<boolean> {
  const name = nameOfKey(store, key);
  return name !== undefined && (await objects.find(name, signal))?.sizeBytes === sizeBytes;
}

async function howToEvaluate(
  { store }: Bucket,
  { run, stage }: CheckpointRef,
  config: string | undefined,
  resolve: (run: string, config: string) => Promise<FineTunePlan>,
  signal: AbortSignal,
): Promise<{ readonly plan: StagePlan; readonly tested: readonly string[] }> {
  if (config !== undefined) {
    const { stage: plan, evaluation } = await resolve(run, config);
    return { plan, tested: evaluation.datasets };
  }
  const found = await readObject(store, keys.plan(run), planSchema, signal);
  const plan = found?.value.stages.find((one) => one.stage === stage);
  if (plan === undefined)
    throw fail(
      'MissingFile',
      `run '${run}' has no plan for ${stage} in S3: name a fine-tune config to evaluate it with`,
    );
  return { plan, tested: testedOn(plan.overrides.DATASETS) };
}

function testedOn(datasets: ConfigValue | undefined): readonly string[] {
  if (typeof datasets !== 'object' || datasets === null || !('TEST' in datasets)) return [];
  const { TEST: tested } = datasets;
  return Array.isArray(tested) ? tested.flatMap((name) => (typeof name === 'string' ? [name] : [])) : [];
}
