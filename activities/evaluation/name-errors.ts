/** @module Errors that an evaluation meets on its host before GLEE runs: each gets a name, by which the workflow decides. */
import { ApplicationFailure } from '@temporalio/common';
import { httpStatus } from '../../configs/s3.ts';
import type { EvaluationTask } from '../../contracts/evaluation.ts';
import { fail } from '../fail.ts';
import { WrongContent } from '../storage/object-store.ts';

const UNWRITABLE: ReadonlySet<unknown> = new Set(['EROFS', 'EACCES', 'EPERM']);

/** Does the work; an error without a name that another try on this host would meet again is thrown with one. */
export async function withNames<T>(
  { host, scratch }: { readonly host: string; readonly scratch: string },
  { run, checkpoint, weights }: EvaluationTask,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error) || error instanceof ApplicationFailure) throw error;
    const facts = { host, at: Date.now() };
    if ('code' in error && UNWRITABLE.has(error.code)) {
      const message = `${host} cannot write what an evaluation needs: ${error.message}; make GLEE_SCRATCH (${scratch}) writable for the GPU worker`;
      throw fail('HostUnfit', message, facts);
    }
    if (error instanceof WrongContent) {
      const message = `checkpoint ${checkpoint} is not in S3 as it was committed (s3://${weights.bucket}/${weights.key}): ${error.message}; evaluate another one`;
      throw fail('DamagedCheckpoint', message, { ...facts, damaged: weights.key });
    }
    if (httpStatus(error) === 404) {
      const message = `checkpoint ${checkpoint} is no longer in S3 (s3://${weights.bucket}/${weights.key}): 'glee checkpoints list ${run}' shows what there is`;
      throw fail('MissingFile', message, facts);
    }
    throw error;
  }
}
