/** @module Stored objects on S3. */
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { httpStatus } from '../../planning/environment/s3-client.ts';
import { bytesOf } from './bodies.ts';
import { explain } from './s3-errors.ts';
import type { StoredObject, StoredObjects } from './ports/stored-objects.ts';
import { PATIENCE, soon, type Patience } from './transfer/with-retry.ts';

export function createS3StoredObjects(
  client: S3Client,
  bucket: string,
  prefix: string,
  patience: Patience = PATIENCE,
): StoredObjects {
  const target = (name: string) => ({ Bucket: bucket, Key: `${prefix}${name}` });
  return {
    async find(name, signal) {
      try {
        const head = new HeadObjectCommand(target(name));
        const found = await soon(client, patience, signal, (abortSignal) =>
          client.send(head, { abortSignal }),
        );
        const { ContentLength: sizeBytes = 0, ETag: version = '', ContentEncoding } = found;
        return { sizeBytes, version, ...(ContentEncoding && { contentEncoding: ContentEncoding }) };
      } catch (error) {
        // An answer to HEAD has no body: a missing bucket looks like a missing object.
        if (httpStatus(error) === 404) return undefined;
        throw explain('look-up', error, bucket, target(name).Key);
      }
    },

    async read(name, { offset, version }, signal) {
      const range = offset === 0 ? {} : { Range: `bytes=${String(offset)}-` };
      try {
        const get = new GetObjectCommand({ ...target(name), IfMatch: version, ...range });
        const found = await client.send(get, { abortSignal: signal });
        if (!(found.Body instanceof Readable)) throw new Error('S3 answered without a body');
        return bytesOf(found.Body, signal);
      } catch (error) {
        throw explain('read', error, bucket, target(name).Key);
      }
    },

    async list(folder, signal) {
      const names: string[] = [];
      const what = { Bucket: bucket, Prefix: `${prefix}${folder}`, Delimiter: '/' };
      for await (const { Contents = [], CommonPrefixes = [] } of pages(client, patience, what, signal)) {
        for (const { Key = '' } of Contents) names.push(Key.slice(prefix.length));
        for (const { Prefix = '' } of CommonPrefixes) names.push(Prefix.slice(prefix.length));
      }
      return names;
    },

    async listAll(folder, signal) {
      const found: StoredObject[] = [];
      const what = { Bucket: bucket, Prefix: `${prefix}${folder}` };
      for await (const { Contents = [] } of pages(client, patience, what, signal)) {
        for (const { Key = '', Size = 0, LastModified } of Contents) {
          const modifiedAt = LastModified?.getTime() ?? 0;
          found.push({ name: Key.slice(prefix.length), sizeBytes: Size, modifiedAt });
        }
      }
      return found;
    },

    async remove(name, signal) {
      try {
        const remove = new DeleteObjectCommand(target(name));
        await soon(client, patience, signal, (abortSignal) => client.send(remove, { abortSignal }));
      } catch (error) {
        // S3 says nothing of it; versitygw does when two delete the same at the same time.
        if (httpStatus(error) === 404) return;
        throw explain('delete', error, bucket, target(name).Key);
      }
    },
  };
}

async function* pages(
  client: S3Client,
  patience: Patience,
  what: { readonly Bucket: string; readonly Prefix: string; readonly Delimiter?: string },
  signal: AbortSignal,
): AsyncGenerator<ListObjectsV2CommandOutput> {
  try {
    for (let token: string | undefined, more = true; more;) {
      const list = new ListObjectsV2Command({ ...what, ContinuationToken: token });
      const page = await soon(client, patience, signal, (abortSignal) => client.send(list, { abortSignal }));
      yield page;
      token = page.NextContinuationToken;
      more = page.IsTruncated === true;
    }
  } catch (error) {
    throw explain('list', error, what.Bucket, what.Prefix);
  }
}
