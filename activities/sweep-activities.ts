/**
 * @module Sweeps in S3: the plan, frozen before the first trial, and how all trials stood when it ended.
 */
import { CancelledFailure, Context, getClient } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import { resolveSweepPlan, type ResolveSweepInput } from '../planning/sweeps/resolve-sweep.ts';
import type { ResolveInput } from '../planning/resolve-common.ts';
import { loadSweepPlan } from '../planning/sweeps/load-sweep.ts';
import { sweepReport, sweepResult } from '../planning/sweeps/sweep-report.ts';
import { expandSweep } from '../planning/sweeps/sweep-space.ts';
import type { SweepActivities, TrialEnd } from '../contracts/activities.ts';
import type { FineTuneInput, FineTuneResult } from '../contracts/fine-tune.ts';
import { innermostMessage } from '../contracts/failures.ts';
import { keys } from '../contracts/ids.ts';
import { unpackSweepState } from '../contracts/sweep-packing.ts';
import type { SweepPlan, Trial, TrialName } from '../contracts/sweep.ts';
import { fail, handOver } from './support/failures.ts';
import { withPlanningErrors } from './plans/planning-errors.ts';
import { sound } from './plans/resolve-config.ts';
import type { ObjectStore } from './storage/ports/object-store.ts';
import { planText } from './plans/plan-text.ts';
import { measureSegment } from './plans/measure-segment.ts';
import { decisive, readSweepPlan, sweepPlanSchema } from './plans/sweep-objects.ts';
import { withHeartbeat } from './support/with-heartbeat.ts';

const HEARTBEAT_MS = 2000;
/** What is wrong with the first trial is wrong with the base, and so with all; the others say their own. */
const PLANNED_TRIALS = 1;

/** What trials are planned with, and what S3 has for them to begin from. */
export type SweepSurroundings = (signal: AbortSignal) => Pick<ResolveInput, 'checkout' | 'findArtifact'>;

/** @param surroundings Without them no trial is planned before the sweep begins. */
export function createSweepActivities(
  store: ObjectStore,
  configDirectory: string,
  surroundings?: SweepSurroundings,
): SweepActivities {
  return {
    resolveSweep: ({ sweep, config }) =>
      withPlanningErrors(store, async (signal) => {
        const asked = { run: sweep, config, configDirectory, mostKinds: PLANNED_TRIALS };
        const resolved =
          surroundings === undefined
            ? await loadSweepPlan(config, configDirectory)
            : await soundSweep({ ...asked, ...surroundings(signal) });
        const plan = await freeze(store, sweep, resolved, signal);
        const { metric, rule, limits } = plan;
        const trials = [...expandSweep(plan).trials()].map(nameOf);
        return { rules: { metric, rule, limits }, trials };
      }),

    publishSweep: ({ sweep, state: packed }) =>
      withPlanningErrors(store, async (signal) => {
        const unpacked = unpackSweepState(packed);
        if (!unpacked.ok) throw fail('InvalidConfig', unpacked.problem);
        const plan = await readSweepPlan(store, sweep, signal);
        await store.writeText(keys.sweepState(sweep), JSON.stringify(unpacked.value));
        return sweepResult(sweepReport(sweep, plan, unpacked.value));
      }),

    measureSegment: ({ run }) => measureSegment(store, run),

    awaitTrial,
  };
}

function nameOf({ id, group, configuration }: Trial): TrialName {
  return { id, group, ...(configuration !== undefined && { configuration }) };
}

/** With the worker's own client; whatever keeps it from knowing is tried again. */
async function awaitTrial({ run }: { readonly run: string }): Promise<TrialEnd> {
  const context = Context.current();
  const trial = getClient().workflow.getHandle<(input: FineTuneInput) => Promise<FineTuneResult>>(run);
  try {
    const ended = () => Promise.race([trial.result(), context.cancelled]);
    return { result: await withHeartbeat(HEARTBEAT_MS, ended) };
  } catch (error) {
    if (error instanceof CancelledFailure) throw handOver('the worker leaves, the trial continues');
    if (!(error instanceof WorkflowFailedError)) throw error;
    return error.cause instanceof CancelledFailure
      ? { cancelled: true }
      : { failed: innermostMessage(error) };
  }
}

async function soundSweep(input: ResolveSweepInput): Promise<SweepPlan> {
  const { plan, problems } = await resolveSweepPlan(input);
  return sound(plan, problems);
}

/**
 * A sweep's id stands for one plan: what its trials have reported is compared. Only how many run at once may change. One
 * that continues does so from the weights that it began with, whatever the run that it follows has trained since.
 */
async function freeze(
  store: ObjectStore,
  sweep: string,
  plan: SweepPlan,
  signal: AbortSignal,
): Promise<SweepPlan> {
  const text = planText(plan, sweepPlanSchema, keys.sweepPlan(sweep));
  if ((await store.writeText(keys.sweepPlan(sweep), text, { ifNoneMatch: '*' })) === 'written') return plan;
  const frozen = await readSweepPlan(store, sweep, signal);
  const same = { ...plan, ...(frozen.starts && { starts: frozen.starts }) };
  if (decisive(frozen) === decisive(same)) return same;
  throw fail(
    'PlanChanged',
    `sweep '${sweep}' was planned differently: take another id for what '${plan.config}' says now, or restore it and its base '${plan.base.name}'`,
  );
}
