/** @module What a stage asks of rank 0's host for an attempt, and of a control worker at its end. */
import { CancellationScope, proxyActivities } from '@temporalio/workflow';
import type { HostActivities, PublishStageInput, StageActivities } from '../../contracts/activities.ts';
import type { NamedFailure } from '../../contracts/failures.ts';
import type { StagePlan } from '../../contracts/plan.ts';
import type { LeasedHost } from '../../contracts/pool.ts';
import type { StageResult, StageState } from '../../contracts/runs.ts';
import type { AwaitCheckpointInput, OpenAttemptResult } from '../../contracts/training.ts';
import { awaitingCheckpoint, bookkeeping, opening } from '../base/activity-profiles.ts';
import { nameFailure } from './recovery.ts';

/** Claims the stage's head for the token. Throws only when the workflow, or the scope around it, is cancelled. */
export async function openAttempt(
  host: LeasedHost,
  { run, plan, token, state }: { run: string; plan: StagePlan; token: number; state: StageState },
): Promise<OpenAttemptResult | { readonly failure: NamedFailure }> {
  const summary = `claim ${plan.stage} for attempt ${state.attempt} and pick a port on ${host.name}`;
  const options = { ...opening(host.name, plan.limits), summary };
  const { damaged, goBack } = state;
  try {
    return await proxyActivities<HostActivities>(options).openAttempt({
      ...{ run, stage: plan.stage, token },
      ...(damaged !== undefined && { damaged }),
      ...(goBack !== undefined && { goBack }),
    });
  } catch (error) {
    if (CancellationScope.current().consideredCancelled) throw error;
    return { failure: nameFailure(error, host.name) };
  }
}

/** Resolves when the trainer may be ended at little loss. What cannot be waited for is not waited for. */
export async function untilSaved(
  host: LeasedHost,
  { plan, attempt, ...input }: AwaitCheckpointInput & { readonly plan: StagePlan; readonly attempt: number },
): Promise<void> {
  const summary = `end attempt ${attempt} of ${plan.stage} at its next checkpoint`;
  const options = { ...awaitingCheckpoint(host.name, plan.limits, input.withinMs), summary };
  await proxyActivities<HostActivities>(options)
    .awaitCheckpoint(input)
    .catch(() => undefined);
}

export function publishStage(input: PublishStageInput): Promise<StageResult> {
  const summary = `publish the final weights of ${input.stage.plan.stage}`;
  return proxyActivities<StageActivities>({ ...bookkeeping, summary }).publishStage(input);
}
