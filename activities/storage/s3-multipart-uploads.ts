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
import { PATIENCE, soon, type Patience } from './transfer/with-retry.ts';

export function createS3MultipartUploads(
  client: S3Client,
  bucket: string,
  prefix: string,
  patience: Patience = PATIENCE,
): MultipartUploads {
  const keyOf = (name: string) => `${prefix}${name}`;
  const target = ({ name, uploadId }: MultipartUpload) => ({
    Bucket: bucket,
    Key: keyOf(name),
    UploadId: uploadId,
  });
  /** Throws every error but the one that S3 does not know the upload. */
  const mustBeGone = (operation: string, name: string, error: unknown): void => {
    if (error instanceof Error && error.name === 'NoSuchUpload') return;
    throw explain(operation, error, bucket, keyOf(name));
  };
  const list: MultipartUploads['list'] = async (folder, signal) => {
    try {
      const look = (abortSignal: AbortSignal) => listUploads(client, bucket, keyOf(folder), abortSignal);
      const found = await soon(client, patience, signal, look);
      return found.map(({ key, uploadId }) => ({ name: key.slice(prefix.length), uploadId }));
    } catch (error) {
      throw explain('list of uploads', error, bucket, keyOf(folder));
    }
  };
  const abort: MultipartUploads['abort'] = async (upload, signal) => {
    try {
      const end = new AbortMultipartUploadCommand(target(upload));
      await soon(client, patience, signal, (abortSignal) => client.send(end, { abortSignal }));
    } catch (error) {
      mustBeGone('end of the upload', upload.name, error);
    }
  };
  return {
    async begin(name, signal) {
      try {
        const begin = new CreateMultipartUploadCommand({
          Bucket: bucket,
          Key: keyOf(name),
          ChecksumAlgorithm: 'CRC32',
          // One of the whole object, which S3 combines from the parts', and not a checksum of checksums.
          ChecksumType: 'FULL_OBJECT',
        });
        const begun = await client.send(begin, { abortSignal: signal });
        if (begun.UploadId === undefined) throw new Error('S3 answered without an upload id');
        return { name, uploadId: begun.UploadId };
      } catch (error) {
        throw explain('upload', error, bucket, keyOf(name));
      }
    },

    async find(name, signal) {
      try {
        const found = await listUploads(client, bucket, keyOf(name), signal);
        return found
          .filter(({ key }) => key === keyOf(name))
          .sort((one, other) => other.begunAtMs - one.begunAtMs)
          .map(({ uploadId }) => ({ name, uploadId }));
      } catch (error) {
        throw explain('list of uploads', error, bucket, keyOf(name));
      }
    },

    async putPart(upload, number, bytes, signal) {
      try {
        const part = {
          ...target(upload),
          PartNumber: number,
          Body: bytes,
          ChecksumAlgorithm: 'CRC32' as const,
        };
        const put = await client.send(new UploadPartCommand(part), { abortSignal: signal });
        return storedPart(number, bytes.length, put.ETag, put.ChecksumCRC32);
      } catch (error) {
        throw explain(`upload of part ${String(number)}`, error, bucket, keyOf(upload.name));
      }
    },

    async listParts(upload, signal) {
      try {
        const parts: StoredPart[] = [];
        // Not the SDK's paginator: it goes by the marker alone, which versitygw also gives with the last page.
        for (let marker: string | undefined, more = true; more;) {
          const list = new ListPartsCommand({ ...target(upload), PartNumberMarker: marker });
          const page = await client.send(list, { abortSignal: signal });
          for (const { PartNumber, Size, ETag, ChecksumCRC32 } of page.Parts ?? [])
            // One that was sent without a checksum proves nothing: as if it were not there.
            if (ChecksumCRC32 !== undefined) parts.push(storedPart(PartNumber, Size, ETag, ChecksumCRC32));
          marker = page.NextPartNumberMarker;
          more = page.IsTruncated === true;
        }
        return parts.sort((one, other) => one.number - other.number);
      } catch (error) {
        mustBeGone('list of parts', upload.name, error);
        return undefined;
      }
    },

    async complete(upload, parts, signal, whole) {
      const Parts = parts.map(({ number, etag, crc32 }) => ({
        PartNumber: number,
        ETag: etag,
        ChecksumCRC32: crc32,
      }));
      try {
        const complete = new CompleteMultipartUploadCommand({
          ...target(upload),
          MultipartUpload: { Parts },
          ...(whole && { ChecksumCRC32: whole.crc32, MpuObjectSize: whole.sizeBytes }),
        });
        await client.send(complete, { abortSignal: signal });
        return 'completed';
      } catch (error) {
        mustBeGone('completion of the upload', upload.name, error);
        return 'noSuchUpload';
      }
    },

    list,

    async abortAll(folder, signal) {
      for (const upload of await list(folder, signal)) await abort(upload, signal);
    },

    abort,
  };
}

interface UnfinishedUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly begunAtMs: number;
}

/** Those of all keys that begin so. */
async function listUploads(
  client: S3Client,
  bucket: string,
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
