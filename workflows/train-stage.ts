/**
 * One stage of a run, from initial weights to final weights. It promises to begin each attempt from the newest
 * checkpoint that S3 proves, to give up only on failures that a person has to mend, and never to hold hosts that it
 * does not use.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { HostActivities, StageActivities } from '../contracts/activities.ts';
import { CONTROL_KINDS, isForRun, parseControl, type ControlKind } from '../contracts/controls.ts';
import type { NamedFailure } from '../contracts/failures.ts';
import { hasArrived } from '../contracts/checkpoints.ts';
import type { Lease, LeasedHost } from '../contracts/pool.ts';
import type { StageResult, StageState, TrainStageInput } from '../contracts/runs.ts';
import { meanSecondsToFailure } from '../contracts/save-period.ts';
import type { OpenAttemptResult } from '../contracts/training.ts';
import { awaitingCheckpoint, bookkeeping, opening } from './activity-profiles.ts';
import { AttemptScope, type Ending } from './attempt-scope.ts';
import { STOPPED, trainGang, type GangOutcome } from './gang.ts';
import { checkGang } from './health.ts';
import { controlUpdates, stageStateQuery } from './messages.ts';
import { blamesOf, decide, failureOf, nameFailure, type Decision } from './recovery.ts';
import { afterControl, changedPlan, priorityOf, refusal, type StageControl } from './stage-controls.ts';
import { StageLease } from './stage-lease.ts';
import { refused } from './refused.ts';
import { backText, coverageText, endText, questionText } from './stage-events.ts';
import { afterFailure, afterOpening, initialStageState, standingOf, withEvent } from './stage-state.ts';
import { onYield } from './yields.ts';

const control = proxyActivities<StageActivities>(bookkeeping);

/** Stages that began before count all failures alike, and give their lease back to get another. */
const FAILURES_BY_CLASS = 'failures count by class';

/** Those that began before trust their hosts. */
const HOSTS_CHECKED = 'hosts are checked before they are used';

/** A person who wants hosts back waits so long for the next checkpoint, where the trainer cannot save when asked. */
const PERSONS_PATIENCE_MS = 600_000;

export async function trainStage(input: TrainStageInput): Promise<StageResult> {
  const { run, plan, weights, files, until } = input;
  let state: StageState = input.carried?.state ?? initialStageState;
  let checkedLease = 0;
  const scope = new AttemptScope();
  const lease = new StageLease(plan, input.carried?.lease ?? null);

  setHandler(stageStateQuery, () => state);
  onYield(lease, ({ why, withinMs }) => {
    show({}, `the pool wants its hosts back: ${why}`);
    end('gives its hosts back', withinMs);
  });
  for (const kind of CONTROL_KINDS) {
    setHandler(controlUpdates[kind], (order) => obey(stageControl(kind, order)), {
      validator: (order) => {
        const problem = refusal(stageControl(kind, order), state, plan);
        if (problem !== undefined) throw refused(problem);
      },
    });
  }

  try {
    for (;;) {
      if (scope.take() === 'gives its hosts back') await lease.giveBack();
      if (state.paused !== undefined || state.question !== undefined) await untilPersonSays();
      const held = await waitForLease();
      if (held === undefined) {
        await continueIfLong();
        continue;
      }
      const outcome = await attempt(held);
      if (outcome.kind === 'finished') break;
      if (outcome.kind === 'failed') await recover(outcome);
      await continueIfLong();
    }
    show({ phase: 'publishing' });
    await lease.giveBack();
    const result = await publish();
    if (state.paused !== undefined) await untilPersonSays();
    show({ phase: 'done' }, endText(result));
    return result;
  } finally {
    await lease.giveBack();
  }

  /** The stage holds nothing while it waits for a person. */
  async function untilPersonSays(): Promise<void> {
    await lease.giveBack();
    while (state.paused !== undefined || state.question !== undefined) {
      if (state.question?.type === 'StoppedByPerson') throw failureOf(state.question);
      show({ phase: state.paused === undefined ? 'waiting for a decision' : 'paused', hosts: [] });
      const before = state;
      await condition(() => state !== before);
    }
    scope.take();
  }

  async function waitForLease(): Promise<Lease | undefined> {
    if (lease.held === null) show({ phase: 'waiting for hosts', hosts: [] });
    const wanted = { avoid: state.avoid, priority: priorityOf(state, plan) };
    return lease.wait(wanted, () => scope.isAsked || workflowInfo().continueAsNewSuggested);
  }

  async function continueIfLong(): Promise<void> {
    if (scope.isAsked || !workflowInfo().continueAsNewSuggested) return;
    await condition(allHandlersFinished);
    if (scope.isAsked) return;
    await continueAsNew<typeof trainStage>({ ...input, carried: { state, lease: lease.handOn() } });
  }

  async function attempt(held: Lease): Promise<GangOutcome> {
    const token = Math.max(held.token, state.token + 1);
    show({ phase: 'opening', attempt: state.attempt + 1, token, hosts: held.hosts.map(({ name }) => name) });
    const beganAt = Date.now();
    const outcome = (await scope.run(() => openAndTrain(held, token))) ?? STOPPED;
    show({ trainedSeconds: (state.trainedSeconds ?? 0) + (Date.now() - beganAt) / 1000 });
    if (outcome.kind === 'failed') {
      const { failure, iterationsRun } = outcome;
      set(afterFailure(state, failure, { iterationsRun, at: Date.now(), limits: plan.limits }));
      return outcome;
    }
    const coverage = outcome.kind === 'finished' ? outcome.coverage : undefined;
    show({ iterationsRun: state.iterationsRun + outcome.iterationsRun }, coverage && coverageText(coverage));
    return outcome;
  }

  async function openAndTrain(held: Lease, token: number): Promise<GangOutcome> {
    const [first] = held.hosts;
    if (first === undefined) throw ApplicationFailure.nonRetryable('the pool granted a lease without hosts');
    const unfit = await check(held, token);
    if (unfit !== undefined) return { kind: 'failed', failure: unfit.failure, iterationsRun: 0, unfit };
    show({ phase: 'opening' });
    const opened = await open(first, token);
    if ('failure' in opened) return { kind: 'failed', failure: opened.failure, iterationsRun: 0 };
    const { resumeFrom, port } = opened;
    const back = backText(opened, state.goBack !== undefined);
    set(afterOpening(state, resumeFrom?.iterations ?? 0));
    if (back !== undefined) show({}, back);
    if (resumeFrom !== null && hasArrived(resumeFrom, until)) return { kind: 'finished', iterationsRun: 0 };
    const from = resumeFrom === null ? 'its initial weights' : `iteration ${String(resumeFrom.iterations)}`;
    show({ phase: 'training' }, `attempt ${String(state.attempt)} on ${state.hosts.join(', ')} from ${from}`);
    return trainGang(held, {
      run,
      plan: changedPlan(state, plan),
      attempt: state.attempt,
      token,
      masterAddress: first.address,
      port,
      weights,
      ...(files !== undefined && { files }),
      resumeFrom,
      ...(until !== undefined && { until }),
      secondsToFailure: meanSecondsToFailure(state.trainedSeconds ?? 0, state.failures ?? 0),
    });
  }

  /** Once for each lease: what changes while it lasts shows as a failure of the trainer. */
  async function check(held: Lease, token: number) {
    if (checkedLease === held.token || !patched(HOSTS_CHECKED)) return undefined;
    show({ phase: 'checking hosts' });
    const health = await checkGang(held, { run, plan, token, placed: { weights, files: files ?? [] } });
    if (health.kind === 'unfit') return health;
    checkedLease = held.token;
    show({}, health.said);
    return undefined;
  }

  async function open(
    host: LeasedHost,
    token: number,
  ): Promise<OpenAttemptResult | { readonly failure: NamedFailure }> {
    const summary = `claim ${plan.stage} for attempt ${String(state.attempt)} and pick a port on ${host.name}`;
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

  async function recover({ failure, unfit }: Extract<GangOutcome, { kind: 'failed' }>): Promise<void> {
    const isByClass = patched(FAILURES_BY_CLASS);
    const decision = decide(failure, standingOf(state, failure, plan.limits, isByClass));
    // Whether the hosts still reach each other is not known after these.
    if (failure.type === 'Hang' || failure.type === 'RendezvousFailed') checkedLease = 0;
    if (isByClass) await lease.blame(unfit?.blames ?? blamesOf(failure, workflowInfo().workflowId));
    switch (decision.kind) {
      case 'stop':
        throw failureOf(decision.failure);
      case 'ask':
        show({ question: decision.failure }, questionText(run));
        return;
      case 'back':
        show({ goBack: { kind: 'one' }, wentBack: true });
        break;
      case 'elsewhere':
        show({ avoid: unfit?.avoid ?? decision.avoid });
        if (isByClass && decision.afterMs === 0) lease.replaceNext();
        else await lease.giveBack();
        break;
      case 'again':
        break;
    }
    await backOff(decision);
  }

  async function backOff({ afterMs }: Extract<Decision, { readonly afterMs: number }>): Promise<void> {
    if (afterMs === 0 || scope.isAsked) return;
    show({ phase: 'backing off' });
    await condition(() => scope.isAsked, afterMs, {
      summary: `wait before attempt ${String(state.attempt + 1)}`,
    });
  }

  function publish(): Promise<StageResult> {
    const summary = `publish the final weights of ${plan.stage}`;
    const { attempt: attempts, iterationsRun } = state;
    return control.publishStage.executeWithOptions({ ...bookkeeping, summary }, [
      {
        stage: { run, plan, weights, ...(until !== undefined && { until }) },
        attempts,
        iterationsRun,
        trainedSeconds: state.trainedSeconds ?? 0,
      },
    ]);
  }

  function obey(order: StageControl): string {
    set(afterControl(state, order, Date.now()));
    switch (order.kind) {
      case 'pause':
      case 'yield':
        end('gives its hosts back', PERSONS_PATIENCE_MS);
        break;
      case 'retry':
      case 'extend':
        end('keeps its hosts', PERSONS_PATIENCE_MS);
        break;
      case 'priority':
        void lease.tellPriority(order.priority);
        break;
      case 'resume':
      case 'resolve':
        break;
    }
    return state.events.at(-1)?.text ?? '';
  }

  /** Ends whatever goes on: an attempt once it has saved, a wait at once. */
  function end(ending: Ending, withinMs: number): void {
    scope.ask(ending, async () => {
      const [first] = lease.held?.hosts ?? [];
      if (first === undefined || state.phase !== 'training') return;
      const summary = `end attempt ${String(state.attempt)} of ${plan.stage} at its next checkpoint`;
      const options = { ...awaitingCheckpoint(first.name, plan.limits, withinMs), summary };
      const { awaitCheckpoint } = proxyActivities<HostActivities>(options);
      // What cannot be waited for is not waited for.
      await awaitCheckpoint({ run, stage: plan.stage, token: state.token, withinMs }).catch(() => undefined);
    });
  }

  function stageControl(kind: ControlKind, order: unknown): StageControl {
    const parsed = parseControl(kind, order);
    if (!parsed.ok) throw refused(parsed.problem);
    if (isForRun(parsed.control)) throw refused(`'${kind}' is asked of the run '${run}', not of a stage`);
    return parsed.control;
  }

  function show(change: Partial<StageState>, event?: string): void {
    const next = { ...state, ...change };
    set(event === undefined ? next : withEvent(next, { at: Date.now(), text: event }));
  }

  function set(next: StageState): void {
    state = next;
    const last = state.events.at(-1)?.text ?? 'nothing yet';
    setCurrentDetails(
      `**${plan.stage}**: ${state.phase}, attempt ${String(state.attempt)}, ${String(state.committedIterations)} of ${String(plan.maxIterations)} iterations safe in S3\n\n${last}`,
    );
  }
}
