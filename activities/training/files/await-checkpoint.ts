/**
 * @module Waits for a moment at which an attempt may be ended at little loss.
 *
 * A trainer with the companion saves when it is cancelled, so that moment is now, as it is where nothing was trained yet.
 * Otherwise it is when S3 has the next checkpoint. How long that may take is counted over all tries of the activity.
 */
import { activityInfo, Context } from '@temporalio/activity';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { keys } from '../../../contracts/ids.ts';
import type { AwaitCheckpointInput } from '../../../contracts/training.ts';
import type { ObjectStore } from '../../storage/ports/object-store.ts';
import { headSchema, readObject } from '../../storage/schemas.ts';
import { readPhase } from '../progress/companion-files.ts';
import { findJob, type Job } from '../jobs/job.ts';
import { readNewestMetrics } from '../progress/metrics.ts';
import { isAlive } from '../jobs/processes.ts';

const LOOK_EVERY_MS = 500;
const S3_PATIENCE_MS = 3000;

/** What the next try has to know, were this worker to end. */
const stateSchema = z.object({
  until: z.number(),
  /** S3 key of the checkpoint that was the newest at the beginning; null: none. Absent while S3 could not be asked. */
  newest: z.string().nullable().exactOptional(),
});

export async function awaitCheckpoint(
  { store, scratch }: { readonly store: ObjectStore; readonly scratch: string },
  input: AwaitCheckpointInput,
): Promise<void> {
  const context = Context.current();
  const known = stateSchema.safeParse(activityInfo().heartbeatDetails);
  let state = known.success ? known.data : { until: Date.now() + input.withinMs };
  while (Date.now() < state.until) {
    context.heartbeat(state);
    const job = await findJob(scratch, input);
    // Also one that is still restoring: nothing of it lives yet.
    if (job === undefined || !(await isAlive(job)) || (await losesLittle(job))) return;
    const left = () => Math.max(0, state.until - Date.now());
    const newest = await newestKey(store, input, Math.min(S3_PATIENCE_MS, left()));
    if (newest !== undefined) {
      if (state.newest !== undefined && newest !== state.newest) return;
      state = { ...state, newest };
    }
    await delay(Math.min(LOOK_EVERY_MS, left()), undefined, { signal: context.cancellationSignal });
  }
}

/** Where the companion found no place in a fork of GLEE's, iterations are done in phases that have none. */
async function losesLittle(job: Job): Promise<boolean> {
  const phase = (await readPhase(job))?.phase;
  if (phase === 'training' || phase === 'saving' || phase === 'evaluating') return true;
  return (await readNewestMetrics(join(job.output, 'metrics.json'))) === undefined;
}

/** Of the newest checkpoint that S3 has; undefined when S3 does not say. */
async function newestKey(
  store: ObjectStore,
  { run, stage }: AwaitCheckpointInput,
  withinMs: number,
): Promise<string | null | undefined> {
  try {
    const head = await readObject(store, keys.head(run, stage), headSchema, AbortSignal.timeout(withinMs));
    return head?.value.checkpoint?.file.key ?? null;
  } catch {
    return undefined;
  }
}
