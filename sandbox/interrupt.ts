/**
 * @module Runs until it is done or someone wants it to stop, and then leaves nothing behind.
 */

/** SIGINT, SIGTERM and SIGHUP abort the signal; the work is expected to stop what it started and return or throw. */
export async function untilStopped(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    // A second Ctrl-C changes nothing: to leave processes behind would be worse than to wait.
    process.exitCode ??= name === 'SIGINT' ? 130 : 143;
    controller.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop);
  try {
    await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) return;
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
