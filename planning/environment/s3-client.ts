/**
 * @module The S3 client: what it can come from AWS's default chain, so the `aws` command line agrees; encryption and path
 * style, of which that chain knows nothing, from GLEE_S3_*.
 */
import { readFileSync } from 'node:fs';
import { S3Client } from '@aws-sdk/client-s3';
import { quietAwsVersionWarning } from './env.ts';
import { readS3Settings, type S3Settings } from './s3-settings.ts';
import { EnvironmentError } from './environment-error.ts';
import { CREDENTIALS_REFUSED, watchCredentials } from './s3-credentials.ts';
import { httpStatus, isExpired } from './s3-status.ts';
import { messageOf } from '../../contracts/error-message.ts';

export { httpStatus, isExpired } from './s3-status.ts';

/**
 * Endpoint (AWS_ENDPOINT_URL_S3), region and credentials are those that the `aws` command line would use.
 *
 * @throws EnvironmentError
 */
export function createS3Client(): S3Client {
  quietAwsVersionWarning();
  const settings = readS3Settings();
  const ca = readAuthorities(settings);
  const client = new S3Client({
    maxAttempts: 3,
    // For requests that wait to be told to continue the SDK makes an agent again, without the authorities below, and
    // never uses its connection again.
    expectContinueHeader: false,
    ...(settings.pathStyle !== undefined && { forcePathStyle: settings.pathStyle }),
    ...(ca !== undefined && { requestHandler: { httpsAgent: { ca } } }),
  });
  encrypt(client, settings);
  watchCredentials(client);
  return client;
}

/** PEM of the authorities that S3's certificate may come from; undefined for those that Node trusts. */
export function trustedAuthorities(): string | undefined {
  return readAuthorities(readS3Settings());
}

function readAuthorities({ caBundle }: S3Settings): string | undefined {
  if (caBundle === undefined) return undefined;
  try {
    return readFileSync(caBundle, 'utf8');
  } catch (error) {
    throw new EnvironmentError(`AWS_CA_BUNDLE: ${messageOf(error)}`);
  }
}

/** The requests that make an object; parts of an upload are encrypted as it was begun. */
const MAKING = new Set(['PutObjectCommand', 'CreateMultipartUploadCommand', 'CopyObjectCommand']);

function encrypt(client: S3Client, { encryption, kmsKey }: S3Settings): void {
  if (encryption === undefined) return;
  const wanted = { ServerSideEncryption: encryption, ...(kmsKey !== undefined && { SSEKMSKeyId: kmsKey }) };
  client.middlewareStack.add(
    (next, context) => (args) => {
      if (MAKING.has(String(context.commandName))) Object.assign(args.input, wanted);
      return next(args);
    },
    { step: 'initialize', name: 'gleeEncryption' },
  );
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
  CREDENTIALS_REFUSED,
]);

/** Why S3 refuses for good, in words, or undefined for errors that may pass. */
export function storageRefusal(error: unknown): string | undefined {
  if (!(error instanceof Error) || isExpired(error)) return undefined;
  if (REFUSALS.has(error.name)) return `${error.name}: ${error.message}`;
  const status = httpStatus(error);
  if (status === 403) return `access denied (HTTP 403): ${error.message}`;
  if (status === 301) return `the bucket is in another region (HTTP 301): set AWS_REGION`;
  return undefined;
}
