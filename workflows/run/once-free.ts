/**
 * @module A child workflow whose id stands for a thing that one at a time may do: when another has the id, it is
 * waited for.
 */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { sleep } from '@temporalio/workflow';

const LONGEST_WAIT_MS = 60_000;

/**
 * @param why Summary of the timers, for people.
 * @param run Starts the child, and waits for it.
 */
export async function onceFree<T>(why: string, run: () => Promise<T>): Promise<T> {
  for (let waitMs = 1000; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      await sleep(waitMs, { summary: why });
    }
  }
}
