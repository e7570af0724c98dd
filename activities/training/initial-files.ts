/**
 * @module Weights that an attempt needs on its host, from S3 or the checkout, within the limit of the host's cache.
 */
import { log } from '@temporalio/activity';
import { z } from 'zod';
import { keys } from '../../contracts/ids.ts';
import { placeFile, placeWeights, trimCache } from './files/host-weights.ts';
import { listJobs, readJobFile, writeJobFile } from './jobs/job.ts';
import { livingTrainers } from './jobs/processes.ts';
import type { Rank } from './rank.ts';

const REPORT_MS = 5000;
const usedSchema = z.array(z.string());

/** @returns The path for MODEL.WEIGHTS; undefined when a checkpoint is resumed instead. */
export async function placeInitialFiles(rank: Rank): Promise<string | undefined> {
  const { store, settings, input, job, signal } = rank;
  const { resumeFrom, weights, files = [] } = input;
  const places = { ...settings, store };
  if (resumeFrom !== null && files.length === 0) return undefined;
  const initial = resumeFrom === null && weights.kind === 'artifact' ? [weights.artifact.sha256] : [];
  await writeJobFile(job, 'weights.json', [...initial, ...files.map(({ file }) => file.sha256)]);
  for (const file of files) await placeFile(places, file, signal);
  const path = resumeFrom === null ? await placeWeights(places, weights, signal) : undefined;
  await tidyCache(rank);
  return path;
}

/** Keeps the cache within its limit, and tells S3 what is left, for `glee weights list`; neither is worth a training. */
async function tidyCache(rank: Rank): Promise<void> {
  const { store, settings } = rank;
  try {
    const weights = await trimCache(settings.scratch, settings.cacheBytes, await weightsInUse(rank));
    const report = JSON.stringify({ host: settings.host, at: Date.now(), weights });
    await store.writeText(keys.hostCache(settings.host), report, undefined, AbortSignal.timeout(REPORT_MS));
  } catch (error) {
    log.warn('the cache of weights was not tidied', { error: String(error) });
  }
}

/** Of trainers that run, and of those that are about to. */
async function weightsInUse({ settings, supervisors }: Rank): Promise<ReadonlySet<string>> {
  const living = await livingTrainers();
  const jobs = (await listJobs(settings.scratch)).filter(
    ({ folder }) => living.has(folder) || supervisors.isWatched(folder),
  );
  const used = await Promise.all(jobs.map((job) => readJobFile(job, 'weights.json', usedSchema)));
  return new Set(used.flatMap((checksums) => checksums ?? []));
}
