/** @module What AWS's default chain does not say of S3, from the environment. */
import { z } from 'zod';
import { EnvironmentError } from './environment-error.ts';
import { readVariables } from './read-variables.ts';

const s3Schema = z.object({
  GLEE_S3_SSE: z.enum(['AES256', 'aws:kms']).optional(),
  GLEE_S3_SSE_KMS_KEY: z.string().min(1).optional(),
  GLEE_S3_PATH_STYLE: z.enum(['true', 'false']).optional(),
  GLEE_S3_STALL_SECONDS: z.coerce.number().min(1).default(60),
  AWS_CA_BUNDLE: z.string().optional(),
});

/** What AWS's default chain does not say of S3. */
export interface S3Settings {
  readonly encryption: 'AES256' | 'aws:kms' | undefined;
  /** Undefined: the bucket's default key. */
  readonly kmsKey: string | undefined;
  /** Undefined: as the SDK decides by the endpoint. */
  readonly pathStyle: boolean | undefined;
  /** Of which nothing has come for so long is asked for again. */
  readonly stallMs: number;
  /** PEM file of the authorities that are trusted instead of the usual ones; the `aws` command line reads it too. */
  readonly caBundle: string | undefined;
}

/** @throws EnvironmentError naming each invalid variable. */
export function readS3Settings(): S3Settings {
  const env = readVariables(s3Schema);
  if (env.GLEE_S3_SSE_KMS_KEY !== undefined && env.GLEE_S3_SSE !== 'aws:kms') {
    throw new EnvironmentError('GLEE_S3_SSE_KMS_KEY is set: set GLEE_S3_SSE=aws:kms too');
  }
  return {
    encryption: env.GLEE_S3_SSE,
    kmsKey: env.GLEE_S3_SSE_KMS_KEY,
    pathStyle: env.GLEE_S3_PATH_STYLE === undefined ? undefined : env.GLEE_S3_PATH_STYLE === 'true',
    stallMs: env.GLEE_S3_STALL_SECONDS * 1000,
    caBundle: env.AWS_CA_BUNDLE === '' ? undefined : env.AWS_CA_BUNDLE,
  };
}
