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
import {
  classOf,
  FAILURES,
  isFailureType,
  type FailureDetails,
  type FailureType,
  type NamedFailure,
} from '../../contracts/failures.ts';
import type { StageLimits } from '../../contracts/plan.ts';
import type { HostBlame } from '../../contracts/pool.ts';
import type { Budget } from '../../contracts/runs.ts';
import { messageOf } from '../../contracts/error-message.ts';

export type Decision =
  /** A new attempt on the same hosts. */
  | { readonly kind: 'again'; readonly afterMs: number }
  /** A new attempt on other hosts, where there are others. */
  | { readonly kind: 'elsewhere'; readonly afterMs: number; readonly avoid: readonly string[] }
  /** A new attempt on the same hosts, from the good checkpoint before the newest. */
  | { readonly kind: 'back'; readonly afterMs: number }
  /** A person decides how it continues. */
  | { readonly kind: 'ask'; readonly failure: NamedFailure }
  /** A person has to change something first. */
  | { readonly kind: 'stop'; readonly failure: NamedFailure };

/** How often it went wrong since the newest checkpoint, this failure included. */
export interface Standing {
  readonly attempts: number;
  /** Of this failure's class. */
  readonly budget: Budget;
  /** It has gone back for a divergence already. */
  readonly wentBack: boolean;
  /** Attempts in a row that failed with just this error at this iteration. */
  readonly sameCrashes: number;
  /** Hosts of the gang. */
  readonly hosts: readonly string[];
}

/** A crash that comes back at the same iteration is tried on another host once: the third one is the program's own. */
const SAME_CRASHES = 3;

export function decide(failure: NamedFailure, standing: Standing): Decision {
  const { attempts, budget, wentBack, sameCrashes } = standing;
  if (FAILURES[failure.type] === 'stop') return { kind: 'stop', failure };
  if (sameCrashes >= SAME_CRASHES) return { kind: 'stop', failure: repeatedCrash(failure, sameCrashes) };
  const failureClass = classOf(failure.type);
  if (failureClass === 'divergence' && wentBack) return { kind: 'ask', failure };
  if (budget.spent > budget.limit) return { kind: 'stop', failure: budgetSpent(failure, budget) };
  const afterMs = backoffMs(attempts);
  if (failureClass === 'divergence') return { kind: 'back', afterMs };
  if (failureClass !== 'host' && failureClass !== 'hang' && sameCrashes < 2)
    return { kind: 'again', afterMs };
  return { kind: 'elsewhere', afterMs, avoid: suspectsOf(failure, standing.hosts) };
}

/** Hosts that may be at fault: of a hang that a host reports for its gang, any of them. */
export function suspectsOf({ type, host, ofGang }: NamedFailure, gang: readonly string[]): readonly string[] {
  if (type === 'Hang' && (ofGang === true || host === undefined)) return gang;
  return host === undefined ? [] : [host];
}

/** Attempts without a newer checkpoint that a failure of this type may cost. */
export function budgetLimit(type: FailureType, limits: StageLimits): number {
  const failureClass = classOf(type);
  return (
    (failureClass === undefined ? undefined : limits.budgets?.[failureClass]) ??
    limits.attemptsWithoutProgress
  );
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
        : 'its worker does not answer any more';
    return { type: 'HostLost', host, message: `host ${host} is lost: ${what}` };
  }
  if (cause instanceof ApplicationFailure && isFailureType(cause.type)) {
    return { ...details(cause), host, type: cause.type, message: cause.message };
  }
  const message = messageOf(cause);
  return {
    type: 'TrainerCrashed',
    host,
    message: `the attempt on ${host} ended with an error without a name: ${message}`,
  };
}

/**
 * What the pool is to know of a failure: hardware that fails is no bad luck. The pool notices lost hosts by itself. A
 * hang counts once until the stage advances: hangs on other hosts after it speak against the program.
 */
export function blamesOf(
  failure: NamedFailure,
  holder: string,
  { budget, hosts }: Pick<Standing, 'budget' | 'hosts'>,
): readonly HostBlame[] {
  const { type, host, message: reason } = failure;
  if (type === 'GpuFault' && host !== undefined) return [{ host, holder, reason, weight: 'at once' }];
  const counts = type === 'HostUnfit' || (type === 'Hang' && budget.spent <= 1);
  if (!counts) return [];
  return suspectsOf(failure, hosts).map((suspect) => ({ host: suspect, holder, reason, weight: 'counts' }));
}

/** What a workflow fails with: never retried, since the name has decided. */
export function failureOf({ type, message, ...details }: NamedFailure): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true, details: [details] });
}

/** Iterations that a host ran before it failed or was cancelled; 0 where it could not say. */
export function iterationsBefore(error: unknown): number {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const tells = cause instanceof ApplicationFailure || cause instanceof CancelledFailure;
  return (tells ? details(cause).iterationsRun : undefined) ?? 0;
}

/** Our own activities put exactly one FailureDetails there (activities/support/failures.ts). */
function details(failure: ApplicationFailure | CancelledFailure): FailureDetails {
  const [first]: unknown[] = failure.details ?? [];
  if (typeof first !== 'object' || first === null) return {};
  const facts: Record<string, unknown> = { ...first };
  return {
    ...(typeof facts.line === 'string' && { line: facts.line }),
    ...(typeof facts.at === 'number' && { at: facts.at }),
    ...(typeof facts.log === 'string' && { log: facts.log }),
    ...(typeof facts.damaged === 'string' && { damaged: facts.damaged }),
    ...(facts.ofGang === true && { ofGang: true }),
    ...(typeof facts.signature === 'string' && { signature: facts.signature }),
    ...(typeof facts.iteration === 'number' && { iteration: facts.iteration }),
    ...(typeof facts.iterationsRun === 'number' && { iterationsRun: facts.iterationsRun }),
  };
}

function repeatedCrash(last: NamedFailure, times: number): NamedFailure {
  const message = `${times} attempts in a row failed with the same error at the same iteration, so another would too: mend the program or its settings; ${last.message}`;
  return { ...last, type: 'RepeatedCrash', message };
}

function budgetSpent(last: NamedFailure, { spent }: Budget): NamedFailure {
  const message = `${spent} attempts ended so without a newer checkpoint; the last one: ${last.type}: ${last.message}`;
  return { ...last, type: 'BudgetSpent', message };
}
