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
import type { Version } from './ports/object-store.ts';
import type { FoundObject, StoredObject, StoredObjects } from './ports/stored-objects.ts';
import type { S3Place } from './s3-multipart-uploads.ts';
import { DEFAULT_RETRY_POLICY, withShortRetry, type RetryPolicy } from './transfer/with-retry.ts';

export function createS3StoredObjects(
  client: S3Client,
  bucket: string,
  prefix: string,
  retryPolicy: RetryPolicy = DEFAULT_RETRY_POLICY,
): StoredObjects {
  const s3: S3Place = { client, bucket, prefix, retryPolicy };
  return {
    find: (name, signal) => find(s3, name, signal),
    read: (name, from, signal) => read(s3, name, from, signal),
    list: (folder, signal) => list(s3, folder, signal),
    listAll: (folder, signal) => listAll(s3, folder, signal),
    remove: (name, signal) => remove(s3, name, signal),
  };
}

async function find(s3: S3Place, name: string, signal: AbortSignal): Promise<FoundObject | undefined> {
  const { client, retryPolicy } = s3;
  const object = target(s3, name);
  try {
    const head = new HeadObjectCommand(object);
    const found = await withShortRetry(client, retryPolicy, signal, (abortSignal) =>
      client.send(head, { abortSignal }),
    );
    const { ContentLength: sizeBytes = 0, ETag: version = '', ContentEncoding } = found;
    return { sizeBytes, version, ...(ContentEncoding && { contentEncoding: ContentEncoding }) };
  } catch (error) {
    // An answer to HEAD has no body: a missing bucket looks like a missing object.
    if (httpStatus(error) === 404) return undefined;
    throw explain('look-up', error, object.Bucket, object.Key);
  }
}

async function read(
  s3: S3Place,
  name: string,
  { offset, version }: { readonly offset: number; readonly version: Version },
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const object = target(s3, name);
  const range = offset === 0 ? {} : { Range: `bytes=${offset}-` };
  try {
    const get = new GetObjectCommand({ ...object, IfMatch: version, ...range });
    const found = await s3.client.send(get, { abortSignal: signal });
    if (!(found.Body instanceof Readable)) throw new Error('S3 answered without a body');
    return bytesOf(found.Body, signal);
  } catch (error) {
    throw explain('read', error, object.Bucket, object.Key);
  }
}

async function list(s3: S3Place, folder: string, signal: AbortSignal): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { Contents = [], CommonPrefixes = [] } of pages(s3, folder, signal, '/')) {
    for (const { Key = '' } of Contents) names.push(nameIn(s3, Key));
    for (const { Prefix = '' } of CommonPrefixes) names.push(nameIn(s3, Prefix));
  }
  return names;
}

async function listAll(s3: S3Place, folder: string, signal: AbortSignal): Promise<readonly StoredObject[]> {
  const found: StoredObject[] = [];
  for await (const { Contents = [] } of pages(s3, folder, signal)) {
    for (const { Key = '', Size = 0, LastModified } of Contents)
      found.push({ name: nameIn(s3, Key), sizeBytes: Size, modifiedAt: LastModified?.getTime() ?? 0 });
  }
  return found;
}

async function remove(s3: S3Place, name: string, signal: AbortSignal): Promise<void> {
  const { client, retryPolicy } = s3;
  const object = target(s3, name);
  try {
    const command = new DeleteObjectCommand(object);
    await withShortRetry(client, retryPolicy, signal, (abortSignal) => client.send(command, { abortSignal }));
  } catch (error) {
    // S3 itself does not mind; versitygw does when two delete the same at the same time.
    if (httpStatus(error) === 404) return;
    throw explain('delete', error, object.Bucket, object.Key);
  }
}

async function* pages(
  { client, bucket, prefix, retryPolicy }: S3Place,
  folder: string,
  signal: AbortSignal,
  delimiter?: '/',
): AsyncGenerator<ListObjectsV2CommandOutput> {
  const what = { Bucket: bucket, Prefix: `${prefix}${folder}`, Delimiter: delimiter };
  try {
    for (let token: string | undefined, more = true; more;) {
      const command = new ListObjectsV2Command({ ...what, ContinuationToken: token });
      const page = await withShortRetry(client, retryPolicy, signal, (abortSignal) =>
        client.send(command, { abortSignal }),
      );
      yield page;
      token = page.NextContinuationToken;
      more = page.IsTruncated === true;
    }
  } catch (error) {
    throw explain('list', error, what.Bucket, what.Prefix);
  }
}

function target({ bucket, prefix }: S3Place, name: string) {
  return { Bucket: bucket, Key: `${prefix}${name}` };
}

function nameIn({ prefix }: S3Place, key: string): string {
  return key.slice(prefix.length);
}
