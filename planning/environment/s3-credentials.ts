/**
 * @module Credentials that cannot be had: a metadata service, a `credential_process` or SSO that is away looks to the SDK
 * as nothing at all that was configured. So it is waited for, as an S3 that is away is, and refused when it lasts.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { httpStatus, isExpired } from './s3-status.ts';

export interface CredentialLimits {
  /** Of a process that has had credentials: their provider is there, and will come back or be mended. */
  readonly afterSuccessMs: number;
  /** Of one that never had any, where most likely nothing is configured. */
  readonly beforeSuccessMs: number;
}

const MINUTE_MS = 60_000;
const LIMITS: CredentialLimits = { afterSuccessMs: 6 * 60 * MINUTE_MS, beforeSuccessMs: 15 * MINUTE_MS };

/** A refusal for good, by its name: credentials could not be had for longer than is waited for. */
export const CREDENTIALS_REFUSED = 'CredentialsRefused';

const HINT = "'aws sts get-caller-identity' with this worker's AWS_* variables tells more";

/** Has the client's errors tell credentials that may come from those that were waited for in vain. */
export function watchCredentials(
  client: S3Client,
  limits: CredentialLimits = LIMITS,
  now: () => number = () => performance.now(),
): void {
  let hadAny = false;
  let awaySince: number | undefined;
  const answered = () => ([hadAny, awaySince] = [true, undefined]);
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        const result = await next(args);
        answered();
        return result;
      } catch (error) {
        if (!(error instanceof Error) || !isCredentialTrouble(error)) {
          if (httpStatus(error) !== undefined) answered();
          throw error;
        }
        awaySince ??= now();
        const awayMs = now() - awaySince;
        if (awayMs < (hadAny ? limits.afterSuccessMs : limits.beforeSuccessMs)) throw error;
        throw refusal(error, awayMs);
      }
    },
    { step: 'initialize', name: 'gleeCredentials' },
  );
}

function isCredentialTrouble(error: Error): boolean {
  return error.name === 'CredentialsProviderError' || error.name === 'TokenProviderError' || isExpired(error);
}

function refusal(error: Error, awayMs: number): Error {
  const minutes = String(Math.round(awayMs / MINUTE_MS));
  const message = `credentials for S3 cannot be had for ${minutes} minutes (${error.message}): mend their provider, or log in again, then start the run again; ${HINT}`;
  return Object.assign(new Error(message, { cause: error }), { name: CREDENTIALS_REFUSED });
}
