/**
 * @module The S3 client: everything about it comes from AWS's default chain, so the `aws` command line agrees.
 */
import { S3Client } from '@aws-sdk/client-s3';
import { quietAwsVersionWarning } from './env.ts';

/** Endpoint (AWS_ENDPOINT_URL_S3), region and credentials are those that the `aws` command line would use. */
export function createS3Client(): S3Client {
  quietAwsVersionWarning();
  return new S3Client({ maxAttempts: 3 });
}

/** S3 answers that no retry will mend: a person has to change a bucket, a right or a key. */
const REFUSALS = new Set([
  'NoSuchBucket',
  'AccessDenied',
  'Forbidden',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidBucketName',
  'PermanentRedirect',
  'CredentialsProviderError',
]);

/** Why S3 refuses for good, in words, or undefined for errors that may pass. */
export function storageRefusal(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (REFUSALS.has(error.name)) return `${error.name}: ${error.message}`;
  const status = httpStatus(error);
  if (status === 403) return `access denied (HTTP 403): ${error.message}`;
  if (status === 301) return `the bucket is in another region (HTTP 301): set AWS_REGION`;
  return undefined;
}

/** HTTP status that the S3 SDK attached to an error. */
export function httpStatus(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  const { $metadata: metadata } = error;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}
