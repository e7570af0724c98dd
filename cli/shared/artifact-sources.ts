/**
 * @module Opens what a command is given, and says in one line what is wrong with it.
 */
import { finalName } from '../../activities/files/atomic-files.ts';
import { openFileSource, type ByteSource } from '../../activities/torch-file/byte-source.ts';
import { TorchFileError } from '../../activities/torch-file/torch-file-error.ts';
import { UserError } from './errors.ts';

const S3_URL = /^s3:\/\/([^/]+)\/(.+)$/;

/** Opens a path or s3://bucket/key for the work, and closes it after. */
export async function withSource<T>(
  place: string,
  signal: AbortSignal,
  work: (source: ByteSource) => Promise<T>,
): Promise<T> {
  const [, bucket, key] = S3_URL.exec(place) ?? [];
  if (bucket !== undefined && key !== undefined) return withS3Source(bucket, key, signal, work);
  if (place.startsWith('s3://')) throw new UserError(`'${place}' is not of the form s3://bucket/key`);
  const source = await openFileSource(place);
  try {
    return await work(source);
  } finally {
    await source.close();
  }
}

/** The SDK is loaded only where it is needed: it takes as much memory as all the rest. */
async function withS3Source<T>(
  bucket: string,
  key: string,
  signal: AbortSignal,
  work: (source: ByteSource) => Promise<T>,
): Promise<T> {
  const { createS3Client } = await import('../../planning/environment/s3-client.ts');
  const { openS3Source } = await import('../../activities/torch-file/s3-source.ts');
  const client = createS3Client();
  try {
    return await work(await openS3Source({ client, bucket, key }, signal));
  } finally {
    client.destroy();
  }
}

/**
 * Runs a command's work until it is done or someone wants it to stop: then it leaves nothing half-written behind.
 * @throws UserError for what is wrong with a file.
 */
export async function interruptible(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    process.exitCode = name === 'SIGINT' ? 130 : 143;
    controller.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, stop);
  try {
    await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) return;
    throw forPeople(error);
  }
}

const FILE_TROUBLES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'you may not open it',
  EISDIR: 'it is a folder',
  ENOSPC: 'the disk is full',
  EDQUOT: 'your share of the disk is full',
};

function forPeople(error: unknown): unknown {
  if (error instanceof TorchFileError) return new UserError(error.message, { cause: error });
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error;
  const trouble = FILE_TROUBLES[error.code];
  if (trouble === undefined) return error;
  const path = 'path' in error && typeof error.path === 'string' ? error.path : 'the file';
  // Files are written under a name of their own until they are whole.
  return new UserError(`${finalName(path)}: ${trouble}`, { cause: error });
}
