/**
 * Many fine-tunes that differ in some parameters, compared by one metric. All that is decided is decided from the
 * sweep's state, which crosses every continue-as-new: no failure of anything makes it forget a rung. A failed trial does
 * not end it, and only the sweep says that a trial is finished.
 */
import {
  ActivityFailure,
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  ChildWorkflowFailure,
  condition,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { SweepActivities } from '../../contracts/activities.ts';
import { scoreOf, type FineTuneResult } from '../../contracts/fine-tune.ts';
import { trialRunId } from '../../contracts/ids.ts';
import { markdownText } from '../../contracts/markdown.ts';
import type { StageResult } from '../../contracts/runs.ts';
import { answerOf, packSweepState } from '../../contracts/sweep-packing.ts';
import type {
  SweepEvent,
  SweepInput,
  SweepResult,
  SweepRules,
  SweepState,
  SweepStep,
  TrialRef,
  TrialState,
} from '../../contracts/sweep.ts';
import { bookkeeping, planning } from '../base/activity-profiles.ts';
import { sweepStateQuery } from '../base/messages.ts';
import { checkRunInput, typedInput } from '../run/run-input.ts';
import { checkCarried } from './sweep-carried.ts';
import { SweepLegs, type LegEnd } from './trial-segments.ts';
import { handleSweepOrders } from './sweep-orders.ts';
import { isSweepOver, nextSteps } from './sweep-rungs.ts';
import { afterEvent, iterationsAt, newSweepState } from './sweep-state.ts';

const sweeps = proxyActivities<SweepActivities>(planning);
/** Nobody waits for it, and what hundreds of trials found must not be lost to an S3 that is away. */
const publishing: ActivityOptions = { ...bookkeeping, startToCloseTimeout: '2 minutes' };

export async function fineTuneSweep(given?: SweepInput): Promise<SweepResult> {
  const sweep = workflowInfo().workflowId;
  const config = checkRunInput(sweep, typedInput(given), undefined);
  const carried = checkCarried(given);
  let state: SweepState = carried?.state ?? newSweepState([]);
  setHandler(sweepStateQuery, () => answerOf(state));
  let planned = carried?.rules;
  handleSweepOrders(
    () => (planned === undefined ? undefined : state),
    (event) => planned && happen(planned, event),
  );
  const legs = new SweepLegs();
  const rules = planned ?? (await begin());
  planned = rules;
  goOn(carried?.begun ?? []);

  try {
    for (;;) {
      const isLong = workflowInfo().continueAsNewSuggested;
      const steps = nextSteps(rules, state).filter(({ kind }) => !isLong || kind !== 'start');
      for (const step of steps) take(step);
      // What was done may lead to more.
      if (steps.length > 0) continue;
      if (isSweepOver(state) && legs.size === 0) break;
      if (isLong && legs.mayBeLeft && allHandlersFinished()) {
        const { begun } = legs;
        const packed = packSweepState(state);
        return await continueAsNew<typeof fineTuneSweep>({
          config,
          carried: { rules, state: packed, begun },
        });
      }
      const [before, version] = [state, legs.version];
      await condition(() => state !== before || legs.version !== version);
    }
  } catch (error) {
    // They have been asked to end, and nobody else would see that they do.
    if (isCancellation(error)) await CancellationScope.nonCancellable(() => condition(() => legs.size === 0));
    throw error;
  }
  const summary = `keep how ${sweep} ended, and make its leaderboard`;
  return sweeps.publishSweep.executeWithOptions({ ...publishing, summary }, [
    { sweep, state: packSweepState(state) },
  ]);

  async function begin(): Promise<SweepRules> {
    const reading = `resolve and check '${config}'`;
    const found = await sweeps.resolveSweep.executeWithOptions({ ...planning, summary: reading }, [
      { sweep, config },
    ]);
    state = newSweepState(found.trials);
    return found.rules;
  }

  /** What an earlier execution left. */
  function goOn(begun: readonly string[]): void {
    for (const [place, trial] of state.trials.entries()) {
      const run = trialRunId(sweep, trial.id);
      if (trial.status !== 'running') continue;
      if (begun.includes(run)) legs.resume(run, trial.stopping === true, (end) => ended(trial, end));
      // It still waited for an earlier leg to end.
      else if (trial.stopping) ended(trial, { error: new CancelledFailure(run), gpuHours: 0 });
      else start(place, trial);
    }
  }

  function take(step: SweepStep): void {
    const { trial } = step;
    switch (step.kind) {
      case 'start':
        happen(rules, { kind: 'started', trial });
        start(step.place);
        break;
      case 'stop':
        happen(rules, { kind: 'asked to stop', trial, why: step.why });
        legs.stop(trialRunId(sweep, trial));
        break;
      case 'give up':
        happen(rules, { kind: 'given up', trial, why: step.why });
        break;
    }
  }

  function start(place: number, trial = state.trials[place]): void {
    if (trial === undefined) return;
    const { id } = trial;
    const until = iterationsAt(rules.rule, trial.rung);
    const input = { config, trial: refOf(place), ...(until !== undefined && { until }) };
    const summary = until === undefined ? id : `${id}, up to iteration ${String(until)}`;
    legs.start(trialRunId(sweep, id), input, summary, (end) => ended(trial, end));
  }

  function ended(trial: TrialState, end: LegEnd): void {
    happen(rules, 'result' in end ? legEnded(rules, trial, end.result) : legFailed(trial, end));
  }

  function refOf(place: number): TrialRef {
    const added = state.added[place - (state.trials.length - state.added.length)];
    return added === undefined ? { sweep, place } : { sweep, added };
  }

  function happen({ rule }: SweepRules, event: SweepEvent): void {
    state = afterEvent(rule, state, event);
    const count = (status: string) => state.trials.filter((one) => one.status === status).length;
    setCurrentDetails(
      `**${markdownText(config)}**: ${String(count('finished'))} of ${String(state.trials.length)} trials finished, ${String(count('running'))} run, ${String(count('failed'))} failed`,
    );
  }
}

/** @param trial As it began the leg. */
function legEnded(
  rules: SweepRules,
  trial: TrialState,
  { stage, evaluations, gpuHours, reused }: FineTuneResult,
): SweepEvent {
  const { iterations } = stage.artifact;
  const evaluation = evaluations.find((one) => one.iterations === iterations);
  const value = evaluation && scoreOf(evaluation, rules.metric.name);
  const until = iterationsAt(rules.rule, trial.rung);
  return {
    kind: 'leg ended',
    trial: trial.id,
    gpuHours: trial.gpuHours + gpuHours,
    // A trainer that cannot rest goes on to its end, and one whose end is not beyond the rung is there as well.
    final: until === undefined || iterations > until || isFinal(stage),
    ...(value !== undefined && { report: { iterations, value } }),
    ...(reused && { reused }),
  };
}

/** @param trial As it began the leg. */
function legFailed(
  { id: trial, gpuHours: before }: TrialState,
  { error, gpuHours: leg }: Extract<LegEnd, { readonly error: unknown }>,
): SweepEvent {
  const gpuHours = before + leg;
  if (isCancellation(error)) return { kind: 'leg ended', trial, gpuHours, final: false };
  return { kind: 'failed', trial, why: rootMessage(error), gpuHours };
}

/** A checkpoint that is not the stage's last one has its iterations in its name. */
function isFinal({ stage, artifact: { name } }: StageResult): boolean {
  return name.endsWith(`/${stage}`);
}

function rootMessage(error: unknown): string {
  const passesOn = error instanceof ChildWorkflowFailure || error instanceof ActivityFailure;
  if (passesOn && error.cause !== undefined) return rootMessage(error.cause);
  return error instanceof Error ? error.message : String(error);
}
