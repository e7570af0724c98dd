/**
 * @module A person asks for what cannot be done now. The message says why, and what could be done instead.
 */
import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';

/** Of a validator it leaves no event in the history; the person sees its message either way. */
export function refused(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'Refused', message, nonRetryable: true });
}

/** Runs an activity that may refuse: its words, not that an activity failed, are what the person sees. */
export async function orRefused<T>(activity: Promise<T>): Promise<T> {
  try {
    return await activity;
  } catch (error) {
    const cause = error instanceof ActivityFailure ? error.cause : undefined;
    if (cause instanceof ApplicationFailure && cause.type === 'Refused') throw refused(cause.message);
    throw error;
  }
}
