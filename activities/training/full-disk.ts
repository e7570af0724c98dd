/** @module A disk without room, or that takes no writes, for what a trainer, or an evaluation, needs in order to begin. */
import { fail } from '../support/failures.ts';
import { isDiskFull, isUnwritable } from '../files/atomic-files.ts';
import { fullDiskText, removeLeftovers } from './disk-watch.ts';
import { findJob, type JobKey } from './jobs/job.ts';
import { isThere } from './launch.ts';
import type { TrainingDependencies } from './rank.ts';

/**
 * Before there is a trainer: tried again once what ended trainers have left, and S3 has, is gone; else it needs a person,
 * and trying again would only fill the history. A trainer that runs, or has ended, is not given up for a record that has
 * no room yet: Temporal tries that again.
 */
export async function whenDiskIsFull<T>(
  dependencies: TrainingDependencies,
  key: JobKey,
  work: () => Promise<T>,
): Promise<T> {
  const { settings } = dependencies;
  const mustBeNoTrainer = async (error: unknown) => {
    if (!isDiskFull(error)) throw await ifUnwritable(dependencies, key, error);
    const job = await findJob(settings.scratch, key);
    if (job !== undefined && (await isThere(job))) throw error;
    return job;
  };
  try {
    return await work().catch(async (error: unknown) => {
      const job = await mustBeNoTrainer(error);
      if ((await removeLeftovers({ ...dependencies, ...settings, ...(job && { job }) })) === 0) throw error;
      return work();
    });
  } catch (error) {
    await mustBeNoTrainer(error);
    const message = `no space left on ${settings.host}: ${await fullDiskText(settings.scratch)}: ${String(error)}`;
    throw fail('DiskFull', message, { host: settings.host, at: Date.now() });
  }
}

/** Another host may do; here no retry helps. As above, a trainer that runs is not given up for it. */
async function ifUnwritable(
  { settings }: TrainingDependencies,
  key: JobKey,
  error: unknown,
): Promise<unknown> {
  if (!isUnwritable(error)) return error;
  const job = await findJob(settings.scratch, key).catch(() => undefined);
  if (job !== undefined && (await isThere(job).catch(() => false))) return error;
  const message = `host ${settings.host} cannot use its files (GLEE_SCRATCH is ${settings.scratch}): ${String(error)}; mount the disk for writing, or give the worker's user the right`;
  return fail('HostUnfit', message, { host: settings.host, at: Date.now() });
}
