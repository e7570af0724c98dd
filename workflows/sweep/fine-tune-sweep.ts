/**
 * @module Many fine-tunes that differ in some parameters, compared by one metric.
 *
 * Every decision follows from the sweep's state, which crosses each continue-as-new: no failure makes the sweep forget a
 * rung. A failed trial does not end it, and only the sweep says that a trial is finished.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setHandler,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { SweepActivities } from '../../contracts/activities.ts';
import { answerOf, packSweepState } from '../../contracts/sweep-packing.ts';
import type { SweepInput, SweepRules } from '../../contracts/sweep.ts';
import type { SweepResult } from '../../contracts/sweep-results.ts';
import { bookkeeping, planning } from '../base/activity-profiles.ts';
import { sweepStateQuery } from '../base/messages.ts';
import { checkRunInput, typedInput } from '../run/run-input.ts';
import { checkCarried } from './sweep-carried.ts';
import { answerSweepOrders } from './sweep-orders.ts';
import { isSweepOver, nextSteps } from './sweep-rungs.ts';
import { SweepRun } from './sweep-run.ts';
import { newSweepState } from './sweep-state.ts';

const activities = proxyActivities<SweepActivities>(planning);
/** No person waits for it, and what hundreds of trials found must not be lost while S3 does not answer. */
const publishing: ActivityOptions = { ...bookkeeping, startToCloseTimeout: '2 minutes' };

export async function fineTuneSweep(given?: SweepInput): Promise<SweepResult> {
  const id = workflowInfo().workflowId;
  const config = checkRunInput(id, typedInput(given), undefined);
  const carried = checkCarried(given);
  const sweep = new SweepRun(config, carried);
  setHandler(sweepStateQuery, () => answerOf(sweep.state));
  answerSweepOrders(sweep);
  const rules = sweep.rules ?? (await planSweep(sweep, id));
  sweep.resume(carried?.begun ?? []);
  try {
    await runTrials(sweep, rules);
  } catch (error) {
    // The segments have been asked to end, and only the sweep sees that they do.
    if (isCancellation(error))
      await CancellationScope.nonCancellable(() => condition(() => sweep.segments.size === 0));
    throw error;
  }
  const summary = `keep how ${id} ended, and make its leaderboard`;
  return activities.publishSweep.executeWithOptions({ ...publishing, summary }, [
    { sweep: id, state: packSweepState(sweep.state) },
  ]);
}

async function planSweep(sweep: SweepRun, id: string): Promise<SweepRules> {
  const { config } = sweep;
  const summary = `resolve and check '${config}'`;
  const { rules, trials } = await activities.resolveSweep.executeWithOptions({ ...planning, summary }, [
    { sweep: id, config },
  ]);
  sweep.plan(rules, newSweepState(trials));
  return rules;
}

/** Returns when all trials have ended. Once the history is long, it starts no segment and continues as new. */
async function runTrials(sweep: SweepRun, rules: SweepRules): Promise<void> {
  const { config, segments } = sweep;
  for (;;) {
    const isLong = workflowInfo().continueAsNewSuggested;
    const steps = nextSteps(rules, sweep.state).filter(({ kind }) => !isLong || kind !== 'start');
    for (const step of steps) sweep.take(step);
    // A step may lead to more.
    if (steps.length > 0) continue;
    if (isSweepOver(sweep.state) && segments.size === 0) return;
    if (isLong && segments.mayBeLeft && allHandlersFinished()) {
      const carried = { rules, state: packSweepState(sweep.state), begun: segments.begun };
      await continueAsNew<typeof fineTuneSweep>({ config, carried });
    }
    const [before, version] = [sweep.state, segments.version];
    await condition(() => sweep.state !== before || segments.version !== version);
  }
}
