/**
 * @module The leases that are in use on this host, as its worker tells a pool that may not know them.
 */
import { parse } from '../../contracts/parsing.ts';
import { MAX_JOBS, readJob } from '../../contracts/pool-messages.ts';
import type { LivingJob } from '../../contracts/pool.ts';
import { listJobs } from './jobs/job.ts';
import { livingTrainers } from './jobs/processes.ts';
import type { Supervisors } from './supervisors.ts';

/** Those of which something lives, and those that are about to start it. */
export async function livingJobs(
  scratch: string,
  supervisors: Pick<Supervisors, 'isWatched'>,
): Promise<readonly LivingJob[]> {
  const living = await livingTrainers();
  const jobs = (await listJobs(scratch)).flatMap(({ folder, identity }) => {
    if (!living.has(folder) && !supervisors.isWatched(folder)) return [];
    // One that the pool would not read, or of an older version, would have it drop the whole join.
    const parsed = parse(readJob, { ...identity, holder: identity.workflowId }, 'job');
    return parsed.ok ? [parsed.value] : [];
  });
  return jobs.slice(0, MAX_JOBS);
}
