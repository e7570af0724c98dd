/** @module The two ends of a transfer, and what is known of the file. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { StoredFile } from '../../../contracts/checkpoints.ts';
import type { MultipartUploads } from '../ports/multipart-uploads.ts';
import type { RetryPolicy } from './with-retry.ts';

export interface DownloadSource {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  readonly retryPolicy: RetryPolicy;
}

export interface UploadTarget extends DownloadSource {
  /** Names are full keys. */
  readonly uploads: MultipartUploads;
}

/** The file as it was read. */
export interface Sent {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly crc32: number;
}

/** The file as a manifest says that it is. */
export type Promised = Omit<StoredFile, 'key'>;
