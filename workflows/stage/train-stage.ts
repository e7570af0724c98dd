/**
 * One stage of a run, from initial weights to final weights. It promises to begin each attempt from the newest
 * checkpoint that S3 proves, to give up only on failures that a person has to mend, and never to hold hosts that it
 * does not use.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { CONTROL_KINDS, isForRun, parseControl, type ControlKind } from '../../contracts/controls.ts';
import { markdownText } from '../../contracts/markdown.ts';
import type { Lease } from '../../contracts/pool.ts';
import type { StageResult, StageState, TrainStageInput } from '../../contracts/runs.ts';
import { meanSecondsToFailure } from '../../contracts/save-period.ts';
import { openAttempt, publishStage, untilSaved } from './attempt-steps.ts';
import { AttemptScope, type Ending } from '../base/attempt-scope.ts';
import { ChangeRecord } from './change-record.ts';
import { STOPPED, trainGang, type GangOutcome } from './gang.ts';
import { checkGang } from './preflight.ts';
import { lackedIn, noneLeft, provenBlames, triesOthers } from './lacking-steps.ts';
import { controlUpdates, stageStateQuery } from '../base/messages.ts';
import { backoffMs, blamesOf, decide, failureOf, type Decision } from './recovery.ts';
import {
  afterControl,
  changedPlan,
  hasCome,
  maxIterationsOf,
  priorityOf,
  refusal,
  type StageControl,
} from './stage-controls.ts';
import { StageLease } from './stage-lease.ts';
import { refused } from '../base/refused.ts';
import { backText, coverageText, endText, questionText } from './stage-events.ts';
import {
  afterFailure,
  afterLacking,
  afterOpening,
  avoidedBy,
  initialStageState,
  standingOf,
  withEvent,
  withoutLacking,
  withoutLastFailure,
  type PlanProof,
} from './stage-state.ts';
import { checkStageInput } from './stage-input.ts';
import { onYield } from './yields.ts';

/** A person who wants hosts back waits so long for the next checkpoint, where the trainer cannot save when asked. */
const PERSONS_PATIENCE_MS = 600_000;

export async function trainStage(given: TrainStageInput): Promise<StageResult> {
  const input = checkStageInput(given);
  const { run, plan, weights, files, until, changes } = input;
  let state: StageState = input.carried?.state ?? { ...initialStageState, ...(changes && { changes }) };
  let checkedLease = 0;
  const scope = new AttemptScope();
  const lease = new StageLease(plan, input.carried?.lease ?? null);
  const record = new ChangeRecord({ run, stage: plan.stage }, changes);

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
      const asked = maxIterationsOf(state, plan);
      const outcome = await attempt(held);
      if (outcome.kind === 'finished') await proveLacking({ trainedSince: state.attempt });
      if (outcome.kind === 'finished' && maxIterationsOf(state, plan) <= asked) break;
      if (outcome.kind === 'failed') await recover(outcome);
      await continueIfLong();
    }
    show({ phase: 'publishing', trained: true });
    await lease.giveBack();
    const result = await publish();
    if (state.paused !== undefined) await untilPersonSays();
    show({ phase: 'done' }, endText(result));
    await condition(allHandlersFinished);
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
    const wanted = { avoid: avoidedBy(state), priority: priorityOf(state, plan) };
    return lease.wait(wanted, () => scope.isAsked || workflowInfo().continueAsNewSuggested);
  }

  async function continueIfLong(): Promise<void> {
    if (!workflowInfo().continueAsNewSuggested) return;
    await condition(allHandlersFinished);
    // What was asked for does not cross to the next execution.
    if (scope.isAsked) return;
    await continueAsNew<typeof trainStage>({ ...input, carried: { state, lease: lease.handOn() } });
  }

  async function attempt(held: Lease): Promise<GangOutcome> {
    const token = Math.max(held.token, state.token + 1);
    show({ phase: 'opening', attempt: state.attempt + 1, token, hosts: held.hosts.map(({ name }) => name) });
    const outcome = (await timed(() => scope.run(() => openAndTrain(held, token)))) ?? STOPPED;
    if (outcome.kind === 'failed') return outcome;
    const coverage = outcome.kind === 'finished' ? outcome.coverage : undefined;
    show({ iterationsRun: state.iterationsRun + outcome.iterationsRun }, coverage && coverageText(coverage));
    return outcome;
  }

  /** However the attempt ends: a sweep asks also of a stage that was cancelled for how long it held its hosts. */
  async function timed<T>(work: () => Promise<T>): Promise<T> {
    const beganAt = Date.now();
    try {
      return await work();
    } finally {
      show({ trainedSeconds: (state.trainedSeconds ?? 0) + (Date.now() - beganAt) / 1000 });
    }
  }

  async function openAndTrain(held: Lease, token: number): Promise<GangOutcome> {
    const [first] = held.hosts;
    if (first === undefined) throw ApplicationFailure.nonRetryable('the pool granted a lease without hosts');
    const unfit = await check(held, token);
    if (unfit !== undefined) return { kind: 'failed', failure: unfit.failure, iterationsRun: 0, unfit };
    show({ phase: 'opening' });
    await record.keep(state.changes);
    const opened = await openAttempt(first, { run, plan, token, state });
    if ('failure' in opened) return { kind: 'failed', failure: opened.failure, iterationsRun: 0 };
    const { resumeFrom, port } = opened;
    const back = backText(opened, state.goBack !== undefined);
    // The attempt before this one was it that advanced the stage.
    if ((resumeFrom?.iterations ?? 0) > state.committedIterations)
      await proveLacking({ trainedSince: state.attempt - 1 });
    set(afterOpening(state, resumeFrom?.iterations ?? 0));
    if (back !== undefined) show({}, back);
    if (resumeFrom !== null && hasCome(resumeFrom, state, until)) {
      return { kind: 'finished', iterationsRun: 0 };
    }
    const from = resumeFrom === null ? 'its initial weights' : `iteration ${String(resumeFrom.iterations)}`;
    set(withoutLastFailure(state));
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
    if (checkedLease === held.token) return undefined;
    show({ phase: 'checking hosts' });
    const health = await checkGang(held, { run, plan, token, placed: { weights, files: files ?? [] } });
    if (health.kind === 'unfit') return health;
    checkedLease = held.token;
    show({}, health.said);
    await proveLacking('checks');
    return undefined;
  }

  async function proveLacking(proof: PlanProof): Promise<void> {
    await lease.blame(provenBlames(state, workflowInfo().workflowId, proof));
    set(withoutLacking(state, proof));
  }

  async function recover(failed: Extract<GangOutcome, { kind: 'failed' }>): Promise<void> {
    const { failure, unfit } = failed;
    const lacked = lackedIn(failed, state.attempt);
    if (lacked.length > 0) set(afterLacking(state, lacked));
    const elsewhere = await triesOthers(plan, state, failed);
    const { iterationsRun } = failed;
    const ended = { iterationsRun, at: Date.now(), limits: plan.limits, spendsBudget: !elsewhere };
    set(afterFailure(state, failure, ended));
    const standing = standingOf(state, failure, plan.limits);
    const decision: Decision = elsewhere
      ? { kind: 'elsewhere', afterMs: backoffMs(standing.attempts), avoid: [] }
      : decide(lacked.length > 0 ? noneLeft(failure, state) : failure, standing);
    // Whether the hosts still reach each other is not known after these.
    if (failure.type === 'Hang' || failure.type === 'RendezvousFailed') checkedLease = 0;
    await lease.blame(unfit?.blames ?? blamesOf(failure, workflowInfo().workflowId, standing));
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
        if (decision.afterMs === 0) lease.replaceNext();
        else await giveBack();
        break;
      case 'again':
        break;
    }
    await backOff(decision);
  }

  async function giveBack(): Promise<void> {
    await lease.giveBack();
    show({ hosts: [] });
  }

  async function backOff({ afterMs }: Extract<Decision, { readonly afterMs: number }>): Promise<void> {
    if (afterMs === 0 || scope.isAsked) return;
    show({ phase: 'backing off' });
    await condition(() => scope.isAsked, afterMs, {
      summary: `wait before attempt ${String(state.attempt + 1)}`,
    });
  }

  function publish(): Promise<StageResult> {
    const { attempt: attempts, iterationsRun, trainedSeconds = 0, lastFailure } = state;
    return publishStage({
      stage: { run, plan, weights, ...(until !== undefined && { until }) },
      ...{ attempts, iterationsRun, trainedSeconds },
      ...(lastFailure !== undefined && { lastFailure }),
    });
  }

  async function obey(order: StageControl): Promise<string> {
    set(afterControl(state, order, Date.now()));
    const said = state.events.at(-1)?.text ?? '';
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
    if (await record.keepSoon(state.changes)) return said;
    return `${said}; S3 does not answer, so a start of the run before the next attempt would not know of it`;
  }

  /** Ends whatever goes on: an attempt once it has saved, a wait at once. */
  function end(ending: Ending, withinMs: number): void {
    scope.ask(ending, async () => {
      const [first] = lease.held?.hosts ?? [];
      if (first === undefined || state.phase !== 'training') return;
      const { attempt, token } = state;
      await untilSaved(first, { run, stage: plan.stage, token, withinMs, plan, attempt });
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
      `**${plan.stage}**: ${state.phase}, attempt ${String(state.attempt)}, ${String(state.committedIterations)} of ${String(plan.maxIterations)} iterations safe in S3\n\n${markdownText(last)}`,
    );
  }
}
