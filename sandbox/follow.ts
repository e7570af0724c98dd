/**
 * @module Follows a run on the stack until it has ended, through any outage of what it is watched through.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { observeRun, type RunSnapshot } from '../cli/shared/observe-run.ts';

const LOOK_EVERY_MS = 250;

/** @param look Called with each snapshot; Temporal being away just means that none comes for a while. */
export async function followRun(
  client: Client,
  run: string,
  look: (snapshot: RunSnapshot) => Promise<void> | void,
  signal: AbortSignal,
): Promise<RunSnapshot> {
  for (;;) {
    signal.throwIfAborted();
    const snapshot = await observeRun(client, run).catch(() => undefined);
    if (snapshot !== undefined) {
      await look(snapshot);
      if (snapshot.status !== 'RUNNING') return snapshot;
    }
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}
