/**
 * @module An activity that watches a job: it takes it over from whoever watched it, and lets go of it, which touches
 * nothing. Only a cancellation that was asked for ends what runs there.
 */
import { activityInfo, ApplicationFailure, CancelledFailure, Context, log } from '@temporalio/activity';
import { handOver } from '../support/failures.ts';
import { isDiskFull } from '../files/atomic-files.ts';
import { openJob, wasLaunched, writeTaskToken, type Job, type LeasedJob } from './jobs/job.ts';
import type { TrainingDependencies } from './rank.ts';

/** What is done with a job, and how it is ended. */
export interface Holding<T> {
  readonly work: () => Promise<T>;
  /** Asked to end, it does, and throws what is to be told. */
  readonly endAsAsked: () => Promise<never>;
  /** Whatever happens. */
  readonly stop: () => void;
}

/**
 * @param what 'trainer' or 'evaluation', for people.
 * @param hold Gets a signal that is aborted when the activity must end, or let go.
 */
export async function holdJob<T>(
  { settings, supervisors, origin }: TrainingDependencies,
  identity: LeasedJob,
  what: string,
  hold: (job: Job, signal: AbortSignal) => Holding<T>,
): Promise<T> {
  const context = Context.current();
  const { workflowExecution, taskToken } = activityInfo();
  const workflowId = workflowExecution?.workflowId ?? '';
  const { scratch, host } = settings;
  const job = await openJob(scratch, { ...identity, workflowId, host, origin });
  const wasThere = await wasLaunched(job);
  const supervision = await supervisors.takeOver(job.folder);
  const signal = AbortSignal.any([supervision.signal, context.cancellationSignal]);
  const holding = hold(job, signal);
  try {
    await writeTaskToken(job, taskToken).catch((error: unknown) => {
      // Without it, the next worker waits out a heartbeat time-out. A trainer is not left alone for that.
      if (!isDiskFull(error) || !wasThere) throw error;
      log.warn('the disk has no room for the record of who watches', { job: job.folder });
    });
    return await holding.work();
  } catch (error) {
    // What it failed with is still named when a peer was quicker to complain.
    if (!signal.aborted || error instanceof ApplicationFailure) throw error;
    if (context.cancellationDetails?.cancelRequested === true) return await holding.endAsAsked();
    log.info(`no longer watching the ${what}; it continues`, { job: job.folder });
    if (context.cancellationDetails?.workerShutdown === true)
      throw handOver(`the worker stops; its ${what} continues`);
    throw new CancelledFailure(`another attempt of this activity has the ${what}`);
  } finally {
    holding.stop();
    supervision.end();
  }
}
