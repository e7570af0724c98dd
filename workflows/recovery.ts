/**
 * @module What is done about a failure: pure decisions, tested without Temporal.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  TimeoutFailure,
  TimeoutType,
} from '@temporalio/common';
import { FAILURES, isFailureType, type FailureDetails, type NamedFailure } from '../contracts/failures.ts';
import type { StageLimits } from '../contracts/plan.ts';

export type Decision =
  /** A new attempt on the same hosts. */
  | { readonly kind: 'again'; readonly afterMs: number }
  /** A new attempt on other hosts, where there are others. */
  | { readonly kind: 'elsewhere'; readonly afterMs: number; readonly avoid: readonly string[] }
  /** A person has to change something first. */
  | { readonly kind: 'stop'; readonly failure: NamedFailure };

/**
 * @param withoutProgress Attempts in a row, this one included, that ended without a newer checkpoint.
 */
export function decide(failure: NamedFailure, withoutProgress: number, limits: StageLimits): Decision {
  if (FAILURES[failure.type] === 'stop') return { kind: 'stop', failure };
  if (withoutProgress > limits.attemptsWithoutProgress)
    return { kind: 'stop', failure: budgetSpent(failure, limits) };
  const afterMs = backoffMs(withoutProgress);
  if (failure.type !== 'HostLost') return { kind: 'again', afterMs };
  return { kind: 'elsewhere', afterMs, avoid: failure.host === undefined ? [] : [failure.host] };
}

/** None after a first failure, since most are one dead process; then doubling from a second to five minutes. */
export function backoffMs(withoutProgress: number): number {
  return withoutProgress <= 1 ? 0 : Math.min(300_000, 1000 * 2 ** (withoutProgress - 2));
}

/**
 * The one failure of a gang that explains the others: the first that is not a consequence. Ranks that lost their peers
 * fail within milliseconds of the rank that is to blame, often before it is reported.
 */
export function blame(failures: readonly [NamedFailure, ...NamedFailure[]]): NamedFailure {
  const severity = ({ type }: NamedFailure) => ({ stop: 0, retry: 1, secondary: 2 })[FAILURES[type]];
  const first = (failure: NamedFailure) => failure.at ?? Number.MAX_SAFE_INTEGER;
  return failures.reduce((worst, other) => {
    const difference = severity(other) - severity(worst) || first(other) - first(worst);
    return difference < 0 ? other : worst;
  });
}

/** The name of what an activity on a host failed with. A time-out of the queue or the heartbeat means the host. */
export function nameFailure(error: unknown, host: string): NamedFailure {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) {
    const what =
      cause.timeoutType === TimeoutType.SCHEDULE_TO_START
        ? 'no worker took its work'
        : 'its worker fell silent';
    return { type: 'HostLost', host, message: `host ${host} is lost: ${what}` };
  }
  if (cause instanceof ApplicationFailure && isFailureType(cause.type)) {
    return { ...details(cause), host, type: cause.type, message: cause.message };
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return {
    type: 'TrainerCrashed',
    host,
    message: `the attempt on ${host} ended with an error without a name: ${message}`,
  };
}

/** Iterations that a host ran before it failed or was cancelled; 0 where it could not say. */
export function iterationsBefore(error: unknown): number {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const tells = cause instanceof ApplicationFailure || cause instanceof CancelledFailure;
  return (tells ? details(cause).iterationsRun : undefined) ?? 0;
}

/** Our own activities put exactly one FailureDetails there (activities/fail.ts). */
function details(failure: ApplicationFailure | CancelledFailure): FailureDetails {
  const [first]: unknown[] = failure.details ?? [];
  if (typeof first !== 'object' || first === null) return {};
  const facts: Record<string, unknown> = { ...first };
  return {
    ...(typeof facts.line === 'string' && { line: facts.line }),
    ...(typeof facts.at === 'number' && { at: facts.at }),
    ...(typeof facts.log === 'string' && { log: facts.log }),
    ...(typeof facts.damaged === 'string' && { damaged: facts.damaged }),
    ...(typeof facts.iterationsRun === 'number' && { iterationsRun: facts.iterationsRun }),
  };
}

function budgetSpent(last: NamedFailure, limits: StageLimits): NamedFailure {
  const attempts = String(limits.attemptsWithoutProgress + 1);
  const message = `${attempts} attempts in a row ended without a newer checkpoint; the last one: ${last.type}: ${last.message}`;
  return { ...last, type: 'BudgetSpent', message };
}
