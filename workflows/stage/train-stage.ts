/**
 * @module One stage of a run, from initial weights to final weights: lease hosts, check them, claim the stage, train, recover.
 *
 * It begins each attempt from the newest checkpoint that S3 proves, gives up only on failures that a person has to mend,
 * and never holds hosts that it does not use.
 */
import { allHandlersFinished, condition, continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { Lease } from '../../contracts/pool.ts';
import type { StageResult, TrainStageInput } from '../../contracts/runs.ts';
import { answerMessages } from './answer-messages.ts';
import { publishStage } from './attempt-steps.ts';
import { recover } from './recover.ts';
import { failureOf } from './recovery.ts';
import { blameProvenHosts, runAttempt } from './run-attempt.ts';
import { maxIterationsOf, priorityOf } from './stage-controls.ts';
import { endText } from './stage-events.ts';
import { checkStageInput } from './stage-input.ts';
import { StageRun } from './stage-run.ts';
import { avoidedBy } from './stage-state.ts';

export async function trainStage(given: TrainStageInput): Promise<StageResult> {
  const stage = new StageRun(checkStageInput(given));
  answerMessages(stage);
  try {
    await trainToTheEnd(stage);
    stage.update({ phase: 'publishing', trained: true });
    await stage.lease.giveBack();
    const result = await publish(stage);
    if (stage.state.paused !== undefined) await untilPersonDecides(stage);
    stage.update({ phase: 'done' }, endText(result));
    await condition(allHandlersFinished);
    return result;
  } finally {
    await stage.lease.giveBack();
  }
}

/** Attempt after attempt, until the last iteration that is asked for is in S3. */
async function trainToTheEnd(stage: StageRun): Promise<void> {
  for (;;) {
    if (stage.scope.take() === 'gives its hosts back') await stage.lease.giveBack();
    if (stage.waitsForPerson) await untilPersonDecides(stage);
    const lease = await waitForLease(stage);
    if (lease !== undefined) {
      const lastIteration = maxIterationsOf(stage.state, stage.input.plan);
      const outcome = await runAttempt(stage, lease);
      if (outcome.kind === 'finished') {
        await blameProvenHosts(stage, { trainedSince: stage.state.attempt });
        // A person may have extended the stage while the attempt ended.
        if (maxIterationsOf(stage.state, stage.input.plan) <= lastIteration) return;
      }
      if (outcome.kind === 'failed') await recover(stage, outcome);
    }
    await continueIfLong(stage);
  }
}

/** The stage holds no hosts while it waits for a person. */
async function untilPersonDecides(stage: StageRun): Promise<void> {
  await stage.lease.giveBack();
  while (stage.waitsForPerson) {
    const { paused, question } = stage.state;
    if (question?.type === 'StoppedByPerson') throw failureOf(question);
    stage.update({ phase: paused === undefined ? 'waiting for a decision' : 'paused', hosts: [] });
    const before = stage.state;
    await condition(() => stage.state !== before);
  }
  stage.scope.take();
}

/** Undefined where a message, or the length of the history, comes first. */
async function waitForLease(stage: StageRun): Promise<Lease | undefined> {
  const { input, lease, scope } = stage;
  if (lease.held === null) stage.update({ phase: 'waiting for hosts', hosts: [] });
  const wanted = { avoid: avoidedBy(stage.state), priority: priorityOf(stage.state, input.plan) };
  return lease.wait(wanted, () => scope.isAsked || workflowInfo().continueAsNewSuggested);
}

async function continueIfLong(stage: StageRun): Promise<void> {
  if (!workflowInfo().continueAsNewSuggested) return;
  await condition(allHandlersFinished);
  // An interruption does not cross to the next execution.
  if (stage.scope.isAsked) return;
  const carried = { state: stage.state, lease: stage.lease.handOn() };
  await continueAsNew<typeof trainStage>({ ...stage.input, carried });
}

function publish({ input, state }: StageRun): Promise<StageResult> {
  const { run, plan, weights, until } = input;
  const { attempt: attempts, iterationsRun, trainedSeconds = 0, lastFailure } = state;
  return publishStage({
    stage: { run, plan, weights, ...(until !== undefined && { until }) },
    ...{ attempts, iterationsRun, trainedSeconds },
    ...(lastFailure !== undefined && { lastFailure }),
  });
}
