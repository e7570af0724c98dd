/**
 * @module The only place that turns an error into an ApplicationFailure.
 *
 * A named failure is never retried by Temporal: the workflow looks at the name and decides. Errors without a name pass
 * through as they are, and retry under the profile of the activity that threw them.
 */
import { ApplicationFailure } from '@temporalio/common';
import type { FailureDetails, FailureType } from '../../contracts/failures.ts';

export function fail(type: FailureType, message: string, details: FailureDetails = {}): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true, details: [details] });
}

/** A person asks for what cannot be done now; says why, and what could. */
export function refused(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'Refused', message, nonRetryable: true });
}

/** The activity ends, its work does not: the next worker on this host continues with it a second from now. */
export function handOver(message: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'WorkerShutdown',
    message,
    nonRetryable: false,
    nextRetryDelay: '1s',
  });
}
