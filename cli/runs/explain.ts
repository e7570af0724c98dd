/**
 * @module Any error in the words of the command line.
 * It is apart from the errors themselves, because it knows the SDKs, for which --help does not wait.
 */
import { ServiceError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { EnvironmentError } from '../../planning/environment/environment-error.ts';
import { ConfigError } from '../../planning/reading/problems.ts';
import { httpStatus, storageRefusal } from '../../planning/environment/s3-client.ts';
import { isFailureType } from '../../contracts/failures.ts';
import { firstLine, oneLine, UserError } from '../shared/errors.ts';

/** What went wrong, where, and what to do, for whoever ran a command. */
export function explain(error: unknown): string {
  if (error instanceof UserError || error instanceof ConfigError || error instanceof EnvironmentError)
    return error.message;
  if (error instanceof ApplicationFailure && isFailureType(error.type)) return error.message;
  const refusal = storageRefusal(error);
  if (refusal !== undefined) return `S3 refuses: ${firstLine(refusal)}\n${S3_REMEDY}`;
  if (error instanceof ServiceError)
    return `Temporal does not answer as it should: ${oneLine(error)}: ${oneLine(error.cause ?? 'no cause')}\nTry again; 'glee doctor' tells more.`;
  if (isNetworkError(error) || httpStatus(error) !== undefined)
    return `S3 cannot be reached: ${oneLine(error)}\n${S3_REMEDY}`;
  return `glee: ${oneLine(error)} (glee --debug ... shows more)`;
}

const S3_REMEDY =
  "Set AWS_ENDPOINT_URL_S3, AWS_REGION, credentials and GLEE_BUCKET as for the aws command line; 'glee doctor' tells more.";

const NETWORK_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'EPROTO',
  'ETIMEDOUT',
]);

/** Temporal's client has errors of its own, and nothing else but S3 is asked over the network. */
function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'TimeoutError' || ('code' in error && NETWORK_CODES.has(error.code));
}
