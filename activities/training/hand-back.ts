/**
 * @module A worker that starts gives back what its predecessor on this host was watching when it was killed: Temporal
 * then hands the activity out again at once, instead of after its heartbeat time-out.
 */
import { ActivityNotFoundError, type Client } from '@temporalio/client';
import { handOver } from '../support/failures.ts';
import { isSameOrigin, listJobs, readTaskToken, type Origin } from './jobs/job.ts';

/** @returns Folders of the jobs that were given back. Call it before the worker polls: it has no activities of its own yet. */
export async function failOrphanedActivities(
  client: Client,
  scratch: string,
  origin: Origin,
): Promise<string[]> {
  // Another Temporal does not know their activities.
  const jobs = (await listJobs(scratch)).filter(({ identity }) => isSameOrigin(identity.origin, origin));
  const givenBack = await Promise.all(
    jobs.map(async (job) => {
      const taskToken = await readTaskToken(job);
      if (taskToken === undefined) return [];
      try {
        await client.activity.fail(
          taskToken,
          handOver('the worker that watched this trainer is gone; its trainer may continue'),
        );
        return [job.folder];
      } catch (error) {
        // Long over, or handed out again already.
        if (error instanceof ActivityNotFoundError) return [];
        throw error;
      }
    }),
  );
  return givenBack.flat();
}
