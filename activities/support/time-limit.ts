/**
 * @module Deadlines beside another signal. `AbortSignal.any` keeps no hold of its sources, and Node (20.20) lets the garbage
 * collector have an `AbortSignal.timeout` that nothing else refers to: it never aborts then.
 */

/** Does the work under a signal that aborts with the given one, and with a TimeoutError after so many milliseconds. */
export async function within<T>(
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const late = new DOMException(`not done within ${limitMs / 1000} s`, 'TimeoutError');
  const timer = setTimeout(() => limit.abort(late), limitMs);
  try {
    return await work(AbortSignal.any([signal, limit.signal]));
  } finally {
    clearTimeout(timer);
  }
}
