/**
 * @module How an activity ended, on the host's disk before it is said: an answer given while Temporal is away is lost,
 * and the next attempt of the activity must give the same.
 */
import { log } from '@temporalio/activity';
import type { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { isFailureType, type FailureDetails, type FailureType } from '../../contracts/failures.ts';
import type { TrainRankResult } from '../../contracts/training.ts';
import { fail } from '../support/failures.ts';
import { checkpointSchema } from '../storage/schemas.ts';
import { coverageSchema } from './progress/weights-coverage.ts';
import { readJobFile, writeJobFile, type Job } from './jobs/job.ts';

type Outcome =
  | { readonly kind: 'finished'; readonly result: TrainRankResult }
  | {
      readonly kind: 'failed';
      readonly type: FailureType;
      readonly message: string;
      readonly details: FailureDetails;
    };

const failureType = z.string().refine(isFailureType);

const outcomeSchema: z.ZodType<Outcome> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('finished'),
    result: z.object({
      host: z.string(),
      final: checkpointSchema.nullable(),
      iterationsRun: z.number(),
      coverage: coverageSchema.exactOptional(),
    }),
  }),
  z.object({
    kind: z.literal('failed'),
    type: failureType,
    message: z.string(),
    details: z.object({
      host: z.string().exactOptional(),
      line: z.string().exactOptional(),
      at: z.number().exactOptional(),
      log: z.string().exactOptional(),
      ofGang: z.literal(true).exactOptional(),
      signature: z.string().exactOptional(),
      iteration: z.number().exactOptional(),
      iterationsRun: z.number().exactOptional(),
    }),
  }),
]);

/** The result that the job ended with, or undefined while it has not. Throws the failure that it ended with. */
export async function readOutcome(job: Job): Promise<TrainRankResult | undefined> {
  const outcome = await readJobFile(job, 'outcome.json', outcomeSchema);
  if (outcome === undefined) return undefined;
  if (outcome.kind === 'finished') return outcome.result;
  throw fail(outcome.type, outcome.message, outcome.details);
}

export async function recordResult(job: Job, result: TrainRankResult): Promise<TrainRankResult> {
  await writeOutcome(job, { kind: 'finished', result });
  return result;
}

/** Records the failure and returns it to be thrown; without a record it will be found again. */
export async function recordFailure(
  job: Job,
  failure: { readonly type: FailureType; readonly message: string; readonly details: FailureDetails },
): Promise<ApplicationFailure> {
  await writeOutcome(job, { kind: 'failed', ...failure });
  return fail(failure.type, failure.message, failure.details);
}

/** Where it cannot be written, as on a full disk, it is told all the same. */
async function writeOutcome(job: Job, outcome: Outcome): Promise<void> {
  await writeJobFile(job, 'outcome.json', outcome).catch((error: unknown) => {
    log.warn('how it ended could not be recorded', { job: job.folder, error: String(error) });
  });
}
