/**
 * @module Plans: resolved from a config, checked before anything is spent, frozen in S3.
 */
import { activityInfo, cancellationSignal } from '@temporalio/activity';
import { planDifferences } from '../planning/plan-differences.ts';
import type { PlanSettings } from '../planning/environment/env.ts';
import { trialConfig } from '../planning/sweeps/resolve-sweep.ts';
import { stageInputs } from '../planning/inputs-checksum.ts';
import type { PlanActivities, ResolvedPlan, RunChanges } from '../contracts/activities.ts';
import { keys } from '../contracts/ids.ts';
import type { Plan, StagePlan } from '../contracts/plan.ts';
import type { StageResult } from '../contracts/runs.ts';
import type { TrialRef } from '../contracts/sweep.ts';
import { findTrial } from './plans/sweep-objects.ts';
import type { InitialWeights } from '../contracts/training.ts';
import { fail } from './support/failures.ts';
import { isOnLine } from '../contracts/checkpoints.ts';
import { unpinAfterEvaluation } from './checkpoints/evaluation-pins.ts';
import { takeSnapshot } from './checkpoints/snapshot.ts';
import { pinStarts } from './checkpoints/start-from.ts';
import type { Bucket } from './storage/bucket.ts';
import type { ObjectStore } from './storage/ports/object-store.ts';
import { findPrepared } from './weights/find-prepared.ts';
import { asPlanned, describeChanges, readChanges } from './plans/person-changes.ts';
import { planEvaluation } from './plans/plan-evaluation.ts';
import { planText } from './plans/plan-text.ts';
import { withPlanningErrors } from './plans/planning-errors.ts';
import { asPlan, resolveFineTune, resolveJoint, type AskedFineTune } from './plans/resolve-config.ts';
import { parseObject, planSchema, readObject, stageResultSchema } from './storage/schemas.ts';

export function createPlanActivities(bucket: Bucket, settings: PlanSettings): PlanActivities {
  const { store } = bucket;
  const fineTune = (asked: AskedFineTune, signal: AbortSignal) =>
    resolveFineTune(bucket, settings, asked, signal);
  return {
    resolvePlan: ({ run, config }) =>
      withPlanningErrors(store, async (signal) => {
        const { plan, changes } = await freeze(
          store,
          await resolveJoint(bucket, settings, { run, config }, signal),
        );
        await pinStarts(bucket, plan, signal);
        return { plan, done: await findDone(store, plan), ...(changes && { changes }) };
      }),

    resolveFineTune: ({ trial, ...asked }) =>
      withPlanningErrors(store, async (signal) => {
        const tried = trial && (await settingsOf(store, trial, signal));
        const plan = await fineTune({ ...asked, ...tried }, signal);
        const { plan: frozen, changes } = await freeze(store, asPlan(plan));
        await pinStarts(bucket, frozen, signal);
        const [done] = await findDone(store, frozen);
        const [stage = plan.stage] = frozen.stages;
        return { plan: { ...plan, stage }, ...(done && { done }), ...(changes && { changes }) };
      }),

    listCheckpoints: (stage) =>
      withPlanningErrors(store, async (signal) => {
        const { head, checkpoints } = await takeSnapshot(bucket, stage, signal);
        const onLine = checkpoints.filter((one) => isOnLine(one, head?.left));
        return [...new Set(onLine.map(({ iterations }) => iterations))];
      }),

    planEvaluation: (input) =>
      withPlanningErrors(store, (signal) => {
        const { workflowExecution } = activityInfo();
        const resolve = (run: string, config: string) =>
          fineTune({ run, config, evaluatesOnly: true }, signal);
        return planEvaluation(bucket, input, resolve, workflowExecution?.workflowId ?? '', signal);
      }),

    endEvaluation: (pinned) => unpinAfterEvaluation(bucket, pinned, cancellationSignal()),
  };
}

/** The base config as the sweep was planned with, the trial's parameters set in it, and its seed. */
async function settingsOf(
  store: ObjectStore,
  ref: TrialRef,
  signal: AbortSignal,
): Promise<Pick<AskedFineTune, 'config' | 'settings'>> {
  const { plan, trial } = await findTrial(store, ref, signal);
  return trialConfig(plan, trial);
}

/** A run id stands for one plan: the same weights must not come from two. What only steers the run may change. */
async function freeze(
  store: ObjectStore,
  plan: Plan,
): Promise<{ readonly plan: Plan; readonly changes?: RunChanges }> {
  const name = keys.plan(plan.run);
  const text = planText(plan, planSchema, name);
  if ((await store.writeText(name, text, { ifNoneMatch: '*' })) === 'written') return { plan };
  const found = await store.readText(name);
  if (found === undefined) throw new Error(`${name} was there and is gone`);
  const frozen = parseObject(found.text, planSchema, store.keyOf(name));
  const changes = await readChanges(store, frozen);
  const planned = changes === undefined ? plan : asPlanned(frozen, plan, changes);
  const differences = planDifferences(frozen, planned);
  if (differences.length === 0) return { plan: planned, ...(changes && { changes }) };
  const changed = changes === undefined ? '' : describeChanges(changes);
  const hint =
    changed === '' ? '' : ` (the run's record has it that ${changed}, and a start continues so by itself)`;
  const list = differences.map((difference) => `  ${difference}`).join('\n');
  throw fail(
    'PlanChanged',
    `run '${plan.run}' was planned differently; take another run id, or restore the config${hint}:\n${list}`,
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
