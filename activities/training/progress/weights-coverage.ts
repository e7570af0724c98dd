/**
 * @module How much of the model the initial weights matched: measured by trainer/companion.py inside the trainer, which
 * leaves it in the job folder, and ends before it trains when it is too little.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { Coverage, TrainRankInput } from '../../../contracts/training.ts';
import type { Job } from '../jobs/job.ts';
import { readJobPart } from '../jobs/job-files.ts';

/** The rest of the file is for people: how many keys and parameters, and under which prefixes they are missing. */
const count = z.number().min(0);
const fileSchema = z
  .object({ matchedKeys: count, totalKeys: count, matchedParameters: count, totalParameters: count })
  .refine((all) => all.matchedKeys <= all.totalKeys && all.matchedParameters <= all.totalParameters);

export const coverageSchema: z.ZodType<Coverage> = z.object({ keys: z.number(), parameters: z.number() });

export const COVERAGE_UNKNOWN =
  "how much the initial weights match is unknown: the trainer does not load them with fvcore's Checkpointer";

export function coverageFile(job: Pick<Job, 'folder'>): string {
  return join(job.folder, 'coverage.json');
}

/** What the companion is told through the trainer's environment. Without a limit it measures, and refuses nothing. */
export function coverageVariables(
  job: Pick<Job, 'folder'>,
  limit: number | undefined,
): Record<string, string> {
  return {
    GLEE_COVERAGE_FILE: coverageFile(job),
    ...(limit !== undefined && { GLEE_COVERAGE_LIMIT: String(limit) }),
  };
}

/** Undefined while it is not known, and in an attempt that resumes. */
export async function readCoverage(job: Pick<Job, 'folder'>): Promise<Coverage | undefined> {
  const found = await readJobPart(coverageFile(job), fileSchema);
  if (found === undefined) return undefined;
  const { matchedKeys, totalKeys, matchedParameters, totalParameters } = found;
  return {
    keys: matchedKeys / Math.max(1, totalKeys),
    parameters: matchedParameters / Math.max(1, totalParameters),
  };
}

/** Whether this host's trainer is the one that measures: rank 0's, from the initial weights. */
export function isMeasured({ machineRank, resumeFrom }: TrainRankInput): boolean {
  return machineRank === 0 && resumeFrom === null;
}
