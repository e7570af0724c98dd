/** @module Multipart uploads on S3, each part under a CRC32 that S3 keeps. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { MultipartUpload, MultipartUploads, StoredPart } from './ports/multipart-uploads.ts';
import { explain } from './s3-errors.ts';
import { DEFAULT_RETRY_POLICY, withShortRetry, type RetryPolicy } from './transfer/with-retry.ts';

/** Where an adapter works. */
export interface S3Place {
  readonly client: S3Client;
  readonly bucket: string;
  /** Names are below it. */
  readonly prefix: string;
  readonly retryPolicy: RetryPolicy;
}

export function createS3MultipartUploads(
  client: S3Client,
  bucket: string,
  prefix: string,
  retryPolicy: RetryPolicy = DEFAULT_RETRY_POLICY,
): MultipartUploads {
  const s3: S3Place = { client, bucket, prefix, retryPolicy };
  return {
    begin: (name, signal) => begin(s3, name, signal),
    find: (name, signal) => find(s3, name, signal),
    putPart: (upload, number, bytes, signal) => putPart(s3, upload, number, bytes, signal),
    listParts: (upload, signal) => listParts(s3, upload, signal),
    complete: (upload, parts, signal, whole) => complete(s3, upload, parts, signal, whole),
    list: (folder, signal) => list(s3, folder, signal),
    abort: (upload, signal) => abort(s3, upload, signal),
    abortAll: async (folder, signal) => {
      for (const upload of await list(s3, folder, signal)) await abort(s3, upload, signal);
    },
  };
}

async function begin(s3: S3Place, name: string, signal: AbortSignal): Promise<MultipartUpload> {
  const { client, bucket } = s3;
  try {
    const command = new CreateMultipartUploadCommand({
      Bucket: bucket,
      Key: keyOf(s3, name),
      ChecksumAlgorithm: 'CRC32',
      // One of the whole object, which S3 combines from the parts', and not a checksum of checksums.
      ChecksumType: 'FULL_OBJECT',
    });
    const { UploadId } = await client.send(command, { abortSignal: signal });
    if (UploadId === undefined) throw new Error('S3 answered without an upload id');
    return { name, uploadId: UploadId };
  } catch (error) {
    throw explain('upload', error, bucket, keyOf(s3, name));
  }
}

async function find(s3: S3Place, name: string, signal: AbortSignal): Promise<readonly MultipartUpload[]> {
  const key = keyOf(s3, name);
  try {
    const found = await listUploads(s3, key, signal);
    return found
      .filter((upload) => upload.key === key)
      .sort((one, other) => other.begunAtMs - one.begunAtMs)
      .map(({ uploadId }) => ({ name, uploadId }));
  } catch (error) {
    throw explain('list of uploads', error, s3.bucket, key);
  }
}

async function putPart(
  s3: S3Place,
  upload: MultipartUpload,
  number: number,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<StoredPart> {
  try {
    const command = new UploadPartCommand({
      ...target(s3, upload),
      PartNumber: number,
      Body: bytes,
      ChecksumAlgorithm: 'CRC32',
    });
    const put = await s3.client.send(command, { abortSignal: signal });
    return storedPart(number, bytes.length, put.ETag, put.ChecksumCRC32);
  } catch (error) {
    throw explain(`upload of part ${number}`, error, s3.bucket, keyOf(s3, upload.name));
  }
}

async function listParts(
  s3: S3Place,
  upload: MultipartUpload,
  signal: AbortSignal,
): Promise<readonly StoredPart[] | undefined> {
  try {
    const parts: StoredPart[] = [];
    // Not the SDK's paginator: it goes by the marker alone, which versitygw also gives with the last page.
    for (let marker: string | undefined, more = true; more;) {
      const command = new ListPartsCommand({ ...target(s3, upload), PartNumberMarker: marker });
      const page = await s3.client.send(command, { abortSignal: signal });
      for (const { PartNumber, Size, ETag, ChecksumCRC32 } of page.Parts ?? [])
        // One that was sent without a checksum proves nothing: as if it were not there.
        if (ChecksumCRC32 !== undefined) parts.push(storedPart(PartNumber, Size, ETag, ChecksumCRC32));
      marker = page.NextPartNumberMarker;
      more = page.IsTruncated === true;
    }
    return parts.sort((one, other) => one.number - other.number);
  } catch (error) {
    mustBeUnknownUpload(s3, 'list of parts', upload.name, error);
    return undefined;
  }
}

async function complete(
  s3: S3Place,
  upload: MultipartUpload,
  parts: readonly StoredPart[],
  signal: AbortSignal,
  whole: { readonly sizeBytes: number; readonly crc32: string } | undefined,
): Promise<'completed' | 'noSuchUpload'> {
  const Parts = parts.map(({ number, etag, crc32 }) => ({
    PartNumber: number,
    ETag: etag,
    ChecksumCRC32: crc32,
  }));
  try {
    const command = new CompleteMultipartUploadCommand({
      ...target(s3, upload),
      MultipartUpload: { Parts },
      ...(whole && { ChecksumCRC32: whole.crc32, MpuObjectSize: whole.sizeBytes }),
    });
    await s3.client.send(command, { abortSignal: signal });
    return 'completed';
  } catch (error) {
    mustBeUnknownUpload(s3, 'completion of the upload', upload.name, error);
    return 'noSuchUpload';
  }
}

async function list(s3: S3Place, folder: string, signal: AbortSignal): Promise<readonly MultipartUpload[]> {
  const key = keyOf(s3, folder);
  try {
    const found = await withShortRetry(s3.client, s3.retryPolicy, signal, (abortSignal) =>
      listUploads(s3, key, abortSignal),
    );
    return found.map((one) => ({ name: one.key.slice(s3.prefix.length), uploadId: one.uploadId }));
  } catch (error) {
    throw explain('list of uploads', error, s3.bucket, key);
  }
}

async function abort(s3: S3Place, upload: MultipartUpload, signal: AbortSignal): Promise<void> {
  const { client, retryPolicy } = s3;
  try {
    const command = new AbortMultipartUploadCommand(target(s3, upload));
    await withShortRetry(client, retryPolicy, signal, (abortSignal) => client.send(command, { abortSignal }));
  } catch (error) {
    mustBeUnknownUpload(s3, 'end of the upload', upload.name, error);
  }
}

function keyOf({ prefix }: S3Place, name: string): string {
  return `${prefix}${name}`;
}

function target(s3: S3Place, { name, uploadId }: MultipartUpload) {
  return { Bucket: s3.bucket, Key: keyOf(s3, name), UploadId: uploadId };
}

/** Throws every error but the one that S3 does not know the upload. */
function mustBeUnknownUpload(s3: S3Place, operation: string, name: string, error: unknown): void {
  if (error instanceof Error && error.name === 'NoSuchUpload') return;
  throw explain(operation, error, s3.bucket, keyOf(s3, name));
}

interface UnfinishedUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly begunAtMs: number;
}

/** Those of all keys that begin so. */
async function listUploads(
  { client, bucket }: S3Place,
  start: string,
  signal: AbortSignal,
): Promise<readonly UnfinishedUpload[]> {
  const uploads: UnfinishedUpload[] = [];
  for (let markers = {}, more = true; more;) {
    const list = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: start, ...markers });
    const page = await client.send(list, { abortSignal: signal });
    for (const { Key: key, UploadId: uploadId, Initiated } of page.Uploads ?? []) {
      if (key?.startsWith(start) !== true || uploadId === undefined) continue;
      uploads.push({ key, uploadId, begunAtMs: Initiated?.getTime() ?? 0 });
    }
    markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    more = page.IsTruncated === true && (page.Uploads ?? []).length > 0;
  }
  return uploads;
}

function storedPart(
  number: number | undefined,
  sizeBytes: number | undefined,
  etag: string | undefined,
  crc32: string | undefined,
): StoredPart {
  if (number === undefined || sizeBytes === undefined || etag === undefined || crc32 === undefined) {
    throw new Error('S3 answered without number, size, ETag or CRC32 of a part');
  }
  return { number, sizeBytes, etag, crc32 };
}
