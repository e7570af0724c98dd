/** @module The bytes of one version into one object of S3, continuing with what an earlier process downloaded there. */
import { randomUUID } from 'node:crypto';
import type { MultipartUpload, StoredPart } from '../storage/ports/multipart-uploads.ts';
import { whyAnew, writeRecord, type DownloadRecord } from './download-record.ts';
import { FetchError } from './sources/fetch-error.ts';
import type { Fetching } from './fetching.ts';
import { artifactNames } from './manifest.ts';
import { createRetrier, type Retrier } from './retry-policy.ts';
import type { ArtifactSource, FileVersion } from './sources/source.ts';
import { CannotContinue, steadyBytes } from './steady-bytes.ts';
import { partSizeFor, uploadParts, wholeParts } from './upload-parts.ts';

export interface Download {
  readonly source: ArtifactSource;
  readonly version: FileVersion;
  /** With the source; S3 has one of its own for each request. */
  readonly retrier: Retrier;
}

interface Begun {
  readonly upload: MultipartUpload;
  readonly partSizeBytes: number;
  readonly stored: readonly StoredPart[];
}

/**
 * @returns Name of the object, which nothing refers to yet.
 * @throws FetchError
 */
export async function downloadToS3(
  fetching: Fetching,
  download: Download,
  record: DownloadRecord | undefined,
): Promise<string> {
  let begun = record === undefined ? undefined : await continued(fetching, download, record);
  for (;;) {
    if (begun === 'complete' && record !== undefined) return record.upload.name;
    if (begun === undefined || begun === 'complete') begun = await again(fetching, download);
    try {
      return await transfer(fetching, download, begun);
    } catch (error) {
      // What has come of a wrong file must not be continued.
      if (error instanceof FetchError && error.kind === 'wrongContent') await forget(fetching, begun.upload);
      if (!(error instanceof CannotContinue)) throw error;
      fetching.meter.note(`${error.message}: beginning again`);
      await forget(fetching, begun.upload);
      begun = undefined;
    }
  }
}

/** What the earlier process got done; undefined, and the rest of it gone, when it is of no use. */
async function continued(
  fetching: Fetching,
  { source, version }: Download,
  { upload, partSizeBytes, ...record }: DownloadRecord,
): Promise<Begun | 'complete' | undefined> {
  const { uploads, objects, meter, signal } = fetching;
  const reason = whyAnew({ upload, partSizeBytes, ...record }, source.address, version);
  if (reason !== undefined) {
    meter.note(`${reason}: beginning again`);
    await forget(fetching, upload);
    return undefined;
  }
  const parts = await uploads.listParts(upload, signal);
  if (parts !== undefined) {
    return { upload, partSizeBytes, stored: wholeParts(parts, partSizeBytes, version.sizeBytes) };
  }
  const object = await objects.find(upload.name, signal);
  const wanted = version.sizeBytes ?? object?.sizeBytes;
  if (object?.sizeBytes === wanted && wanted !== undefined) return 'complete';
  meter.note('S3 has dropped the download that was begun: beginning again');
  return undefined;
}

async function again(fetching: Fetching, { source, version }: Download): Promise<Begun> {
  const { store, uploads, name, signal } = fetching;
  const partSizeBytes = partSizeFor(version.sizeBytes, fetching.partSizeBytes);
  const upload = await uploads.begin(artifactNames.file(name, randomUUID(), source.fileName), signal);
  const record = {
    source: source.address,
    validator: version.validator ?? null,
    sizeBytes: version.sizeBytes ?? null,
    partSizeBytes,
    upload,
  };
  await writeRecord(store, name, record, signal);
  return { upload, partSizeBytes, stored: [] };
}

async function transfer(
  fetching: Fetching,
  { source, version, retrier }: Download,
  { upload, partSizeBytes, stored }: Begun,
): Promise<string> {
  const { uploads, meter, signal } = fetching;
  const offset = stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  meter.start(offset, version.sizeBytes, offset > 0 ? `continuing after ${offset} bytes` : undefined);
  const bytes = counted(steadyBytes(source, version, offset, retrier, signal), offset, fetching);
  const s3Retrier = () => createRetrier(fetching.retryPolicy, (text) => meter.note(text));
  const parts = await uploadParts({ upload, partSizeBytes, stored, bytes }, (...part) =>
    s3Retrier().retry(() => uploads.putPart(...part, signal), signal),
  );
  const completed = await s3Retrier().retry(() => uploads.complete(upload, parts, signal), signal);
  if (completed === 'noSuchUpload') await mustBeThere(fetching, upload, parts);
  return upload.name;
}

/** The answer to an earlier completion may have been lost. */
async function mustBeThere(
  { objects, signal }: Fetching,
  { name }: MultipartUpload,
  parts: readonly StoredPart[],
): Promise<void> {
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  if ((await objects.find(name, signal))?.sizeBytes === sizeBytes) return;
  throw new Error(`S3 has dropped the upload of ${name} before it was completed`);
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  offset: number,
  { meter }: Fetching,
): AsyncGenerator<Uint8Array> {
  let done = offset;
  for await (const chunk of bytes) {
    done += chunk.length;
    meter.at(done);
    yield chunk;
  }
}

/** Also what the upload has become, should it have been completed: nothing refers to it. */
async function forget({ uploads, objects, signal }: Fetching, upload: MultipartUpload): Promise<void> {
  await uploads.abort(upload, signal);
  await objects.remove(upload.name, signal);
}
