/**
 * @module Plans: resolved from a config, checked before anything is spent, frozen in S3.
 */
import { Context } from '@temporalio/activity';
import { ConfigError } from '../../configs/problems.ts';
import { planDifferences } from '../../configs/plan-differences.ts';
import { resolveJointPlan } from '../../configs/resolve.ts';
import type { PlanSettings } from '../../configs/env.ts';
import { storageRefusal } from '../../configs/s3.ts';
import { stageInputs } from '../../configs/stage-inputs.ts';
import type { PlanActivities, ResolvedPlan } from '../../contracts/activities.ts';
import { keys } from '../../contracts/ids.ts';
import type { Plan, StagePlan } from '../../contracts/plan.ts';
import type { StageResult } from '../../contracts/runs.ts';
import type { InitialWeights } from '../../contracts/training.ts';
import { fail } from '../fail.ts';
import { findStart, pinStarts } from '../checkpoints/start-from.ts';
import type { Bucket } from '../storage/bucket.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { findPrepared } from '../weights/find-prepared.ts';
import { parseObject, planSchema, readObject, stageResultSchema } from '../storage/schemas.ts';

const HEARTBEAT_MS = 2000;

export function createPlanActivities(bucket: Bucket, settings: PlanSettings): PlanActivities {
  const { store } = bucket;
  return {
    async resolvePlan({ run, config }) {
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
      try {
        const { cancellationSignal: signal } = context;
        const plan = await freeze(store, await resolve(bucket, settings, { run, config }, signal));
        await pinStarts(bucket, plan, signal);
        return { plan, done: await findDone(store, plan) };
      } catch (error) {
        if (error instanceof ConfigError) throw fail('InvalidConfig', error.message);
        const refusal = storageRefusal(error);
        if (refusal === undefined) throw error;
        throw fail(
          'StorageRefused',
          `bucket '${store.bucket}' refuses: ${refusal} (GLEE_BUCKET, AWS_*; 'glee doctor' tells more)`,
        );
      } finally {
        clearInterval(beat);
      }
    },
  };
}

async function resolve(
  bucket: Bucket,
  settings: PlanSettings,
  { run, config }: { readonly run: string; readonly config: string },
  signal: AbortSignal,
): Promise<Plan> {
  const { plan, problems } = await resolveJointPlan({
    ...settings,
    run,
    config,
    findArtifact: (other, stage, iterations) =>
      findStart(bucket, { run: other, stage, ...(iterations !== undefined && { iterations }) }, signal),
  });
  const errors = problems.filter(({ level }) => level === 'error');
  if (plan === undefined || errors.length > 0) throw new ConfigError(errors);
  return plan;
}

/** A run id stands for one plan: the same weights must not come from two. What only steers the run may change. */
async function freeze(store: ObjectStore, plan: Plan): Promise<Plan> {
  const name = keys.plan(plan.run);
  const text = JSON.stringify(plan, undefined, 2);
  if ((await store.writeText(name, text, { ifNoneMatch: '*' })) === 'written') return plan;
  const found = await store.readText(name);
  if (found === undefined) throw new Error(`${name} was there and is gone`);
  const frozen = parseObject(found.text, planSchema, store.keyOf(name));
  const differences = planDifferences(frozen, plan);
  if (differences.length === 0) return plan;
  const list = differences.map((difference) => `  ${difference}`).join('\n');
  throw fail(
    'PlanChanged',
    `run '${plan.run}' was planned differently; take another run id, or restore the config:\n${list}`,
  );
}

/** Stages that need not be trained again: finished, from the same inputs, down the whole line of hand-overs. */
async function findDone(store: ObjectStore, plan: Plan): Promise<ResolvedPlan['done']> {
  const done: StageResult[] = [];
  for (const stage of plan.stages) {
    const weights = await handedOver(store, stage, done);
    const found = (await readObject(store, keys.result(plan.run, stage.stage), stageResultSchema))?.value;
    const expected = weights && stageInputs(stage, weights);
    if (found === undefined || found.inputs !== expected) return done;
    done.push(found);
  }
  return done;
}

async function handedOver(
  store: ObjectStore,
  { weights }: StagePlan,
  done: readonly StageResult[],
): Promise<InitialWeights | undefined> {
  switch (weights.kind) {
    case 'checkout':
    case 'artifact':
      return weights;
    case 'prepared': {
      const artifact = await findPrepared(store, weights.artifact);
      return artifact && { kind: 'artifact', artifact };
    }
    case 'stage': {
      const before = done.find(({ stage }) => stage === weights.stage);
      return before && { kind: 'artifact', artifact: before.artifact };
    }
  }
}
