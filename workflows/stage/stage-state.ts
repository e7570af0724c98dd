/**
 * @module How the state of a stage changes: pure, plain JSON.
 */
import { classOf, type NamedFailure } from '../../contracts/failures.ts';
import type { StageLimits } from '../../contracts/plan.ts';
import type { Budget, Crash, LackingHost, RunEvent, StageState } from '../../contracts/runs.ts';
import { clipText } from '../../contracts/text-bytes.ts';
import { budgetLimit, type Standing } from './recovery.ts';

/** Events kept in the state; older ones remain in Temporal's history. */
const MAX_EVENTS = 50;

/** Bytes of an event: what a large gang failed with names each of its hosts, and the state crosses to a next execution. */
const LONGEST_EVENT = 4000;

/** Of the failures' own words in the state. */
const LONGEST_TEXT = 500;

/** Of more hosts than this no pool is known to consist. */
const MOST_LACKING = 1000;

export const initialStageState: StageState = {
  phase: 'waiting for hosts',
  attempt: 0,
  token: 0,
  hosts: [],
  committedIterations: 0,
  attemptsWithoutProgress: 0,
  avoid: [],
  iterationsRun: 0,
  events: [],
};

export function withEvent(state: StageState, event: RunEvent): StageState {
  const short = { ...event, text: clipText(event.text, LONGEST_EVENT) };
  return { ...state, events: [...state.events, short].slice(-MAX_EVENTS) };
}

/** A new attempt has claimed the head: what S3 holds is the progress so far, and refills the budgets when it is more than ever. */
export function afterOpening(state: StageState, committedIterations: number): StageState {
  const { goBack, bestIterations = state.committedIterations, ...rest } = state;
  const opened = {
    ...rest,
    committedIterations,
    bestIterations: Math.max(bestIterations, committedIterations),
  };
  if (committedIterations <= bestIterations) return opened;
  const { budgets, wentBack, ...fresh } = opened;
  return { ...fresh, attemptsWithoutProgress: 0 };
}

interface Ended {
  readonly iterationsRun: number;
  readonly at: number;
  readonly limits: StageLimits;
  /** False for what cost nothing and says nothing of the training. */
  readonly spendsBudget?: boolean;
}

export function afterFailure(
  state: StageState,
  failure: NamedFailure,
  { iterationsRun, at, limits, spendsBudget = true }: Ended,
): StageState {
  const failureClass = spendsBudget ? classOf(failure.type) : undefined;
  const spent = (failureClass && state.budgets?.[failureClass]?.spent) ?? 0;
  const limit = budgetLimit(failure.type, limits);
  const budget: Budget = {
    ...{ spent: Math.min(spent + 1, limit), limit },
    ...(spent >= limit && { exceeded: true }),
  };
  const { crash: before, ...rest } = state;
  const crash = crashOf(before, failure, state.committedIterations + iterationsRun);
  const where = failure.host === undefined ? '' : ` on ${failure.host}`;
  const text = `attempt ${state.attempt} failed${where}: ${failure.type}: ${failure.message}`;
  const failed = {
    ...rest,
    ...(crash && { crash }),
    lastFailure: text.slice(0, LONGEST_TEXT),
    ...(failureClass && { budgets: { ...state.budgets, [failureClass]: budget } }),
    attemptsWithoutProgress: state.attemptsWithoutProgress + 1,
    iterationsRun: state.iterationsRun + iterationsRun,
    failures: (state.failures ?? 0) + 1,
    ...(failure.damaged !== undefined && { damaged: [...(state.damaged ?? []), failure.damaged] }),
  };
  return withEvent(failed, { at, failure: failure.type, text });
}

/** With the attempt that was one too many. */
function allOf({ spent, limit, exceeded }: Budget): Budget {
  return { spent: exceeded === true ? limit + 1 : spent, limit };
}

/** The same error at the same iteration again, or the first of its kind. */
function crashOf(before: Crash | undefined, failure: NamedFailure, done: number): Crash | undefined {
  const { type, line = '', signature = line, iteration = done } = failure;
  if (type !== 'TrainerCrashed' || signature.trim() === '') return undefined;
  const short = signature.slice(0, LONGEST_TEXT);
  const isSame = before?.signature === short && before.iteration === iteration;
  return { signature: short, iteration, times: isSame ? before.times + 1 : 1 };
}

/** More hosts are known to lack what the plan needs. */
export function afterLacking(state: StageState, hosts: readonly LackingHost[]): StageState {
  const names = new Set(hosts.map(({ host }) => host));
  const before = (state.lacking ?? []).filter(({ host }) => !names.has(host));
  const now = hosts.map((one) => ({ ...one, reason: one.reason.slice(0, LONGEST_TEXT) }));
  return { ...state, lacking: [...before, ...now].slice(-MOST_LACKING) };
}

/** Hosts that the next lease is to have only where no others do. */
export function avoidedBy({ avoid, lacking = [] }: StageState): readonly string[] {
  return [...new Set([...avoid, ...lacking.map(({ host }) => host)])];
}

/** What shows that the plan is not at fault: a gang has passed all checks, or has trained from this attempt on. */
export type PlanProof = 'checks' | { readonly trainedSince: number };

/** Of the hosts that lack something those for which the proof holds. */
export function isProven({ trained }: LackingHost, proof: PlanProof): boolean {
  return trained === undefined || (proof !== 'checks' && trained < proof.trainedSince);
}

export function withoutLacking({ lacking = [], ...state }: StageState, proof: PlanProof): StageState {
  const left = lacking.filter((one) => !isProven(one, proof));
  return left.length === 0 ? state : { ...state, lacking: left };
}

/** Another attempt trains. */
export function withoutLastFailure({ lastFailure, ...state }: StageState): StageState {
  return state;
}

export function standingOf(
  { attemptsWithoutProgress: attempts, budgets, wentBack, crash, hosts }: StageState,
  { type }: NamedFailure,
  limits: StageLimits,
): Standing {
  const failureClass = classOf(type);
  const own = failureClass && budgets?.[failureClass];
  return {
    attempts,
    budget: own ? allOf(own) : { spent: attempts, limit: limits.attemptsWithoutProgress },
    wentBack: wentBack === true,
    sameCrashes: crash?.times ?? 0,
    hosts,
  };
}
