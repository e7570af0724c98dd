/** @module Heartbeats while an activity works: a worker that dies under it is noticed within the heartbeat time-out. */
import { Context } from '@temporalio/activity';

/** @param work Gets a signal that aborts when the activity is cancelled, or its worker stops. */
export async function withHeartbeat<T>(
  everyMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), everyMs);
  try {
    return await work(context.cancellationSignal);
  } finally {
    clearInterval(beat);
  }
}
