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
import type { MultipartUpload, MultipartUploads, StoredPart } from './multipart-uploads.ts';
import { explain } from './s3-errors.ts';

export function createS3MultipartUploads(client: S3Client, bucket: string, prefix: string): MultipartUploads {
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
  return {
    async begin(name, signal) {
      try {
        const begin = { Bucket: bucket, Key: keyOf(name), ChecksumAlgorithm: 'CRC32' as const };
        const begun = await client.send(new CreateMultipartUploadCommand(begin), { abortSignal: signal });
        if (begun.UploadId === undefined) throw new Error('S3 answered without an upload id');
        return { name, uploadId: begun.UploadId };
      } catch (error) {
        throw explain('upload', error, bucket, keyOf(name));
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
            parts.push(storedPart(PartNumber, Size, ETag, ChecksumCRC32));
          marker = page.NextPartNumberMarker;
          more = page.IsTruncated === true;
        }
        return parts.sort((one, other) => one.number - other.number);
      } catch (error) {
        mustBeGone('list of parts', upload.name, error);
        return undefined;
      }
    },

    async complete(upload, parts, signal) {
      const Parts = parts.map(({ number, etag, crc32 }) => ({
        PartNumber: number,
        ETag: etag,
        ChecksumCRC32: crc32,
      }));
      try {
        const complete = { ...target(upload), MultipartUpload: { Parts } };
        await client.send(new CompleteMultipartUploadCommand(complete), { abortSignal: signal });
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

  async function abort(upload: MultipartUpload, signal: AbortSignal): Promise<void> {
    try {
      await client.send(new AbortMultipartUploadCommand(target(upload)), { abortSignal: signal });
    } catch (error) {
      mustBeGone('end of the upload', upload.name, error);
    }
  }

  async function list(folder: string, signal: AbortSignal): Promise<readonly MultipartUpload[]> {
    const Prefix = keyOf(folder);
    const found: MultipartUpload[] = [];
    try {
      for (let markers = {}, more = true; more;) {
        const list = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix, ...markers });
        const page = await client.send(list, { abortSignal: signal });
        for (const { Key, UploadId } of page.Uploads ?? []) {
          if (Key?.startsWith(Prefix) !== true || UploadId === undefined) continue;
          found.push({ name: Key.slice(prefix.length), uploadId: UploadId });
        }
        markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
        more = page.IsTruncated === true && page.NextKeyMarker !== undefined;
      }
      return found;
    } catch (error) {
      throw explain('list of uploads', error, bucket, Prefix);
    }
  }
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
