/** @module What a stage does after a failed attempt: it notes it, asks `recovery.ts` for a decision, and follows it. */
import { condition } from '@temporalio/workflow';
import type { FailedAttempt } from './gang.ts';
import { lackedIn, triesOthers } from './lacking-steps.ts';
import { failureOf } from './recovery.ts';
import { questionText } from './stage-events.ts';
import type { StageRun } from './stage-run.ts';
import { afterLacking } from './stage-state.ts';
import { weighFailure, type Weighed } from './weigh-failure.ts';

/** Resolves when the next attempt may begin. Throws the failure when the stage is over. */
export async function recover(stage: StageRun, failed: FailedAttempt): Promise<void> {
  const { failure, unfit } = failed;
  const { decision, blames } = await noteAndDecide(stage, failed);
  // Whether the hosts still reach each other is not known after these.
  if (failure.type === 'Hang' || failure.type === 'RendezvousFailed') stage.forgetChecks();
  await stage.lease.blame(blames);
  switch (decision.kind) {
    case 'stop':
      throw failureOf(decision.failure);
    case 'ask':
      stage.update({ question: decision.failure }, questionText(stage.input.run));
      return;
    case 'back':
      stage.update({ goBack: { kind: 'one' }, wentBack: true });
      break;
    case 'elsewhere':
      stage.update({ avoid: unfit?.avoid ?? decision.avoid });
      if (decision.afterMs === 0) stage.lease.replaceNext();
      else await stage.releaseHosts();
      break;
    case 'again':
      break;
  }
  await backOff(stage, decision.afterMs);
}

async function noteAndDecide(stage: StageRun, failed: FailedAttempt): Promise<Weighed> {
  const { plan } = stage.input;
  const lacked = lackedIn(failed, stage.state.attempt);
  if (lacked.length > 0) stage.replaceState(afterLacking(stage.state, lacked));
  const elsewhere = await triesOthers(plan, stage.state, failed);
  // The state is read again from here on: a person may have changed it during the activity.
  const weighed = weighFailure(stage.state, plan.limits, { ...failed, elsewhere, lacks: lacked.length > 0 });
  stage.replaceState(weighed.state);
  return weighed;
}

async function backOff(stage: StageRun, afterMs: number): Promise<void> {
  const { scope } = stage;
  if (afterMs === 0 || scope.isAsked) return;
  stage.update({ phase: 'backing off' });
  const summary = `wait before attempt ${stage.state.attempt + 1}`;
  await condition(() => scope.isAsked, afterMs, { summary });
}
