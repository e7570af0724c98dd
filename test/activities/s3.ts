/** @module A real S3 server for tests, and stores on it that break where a test wants them to. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { quietAwsVersionWarning } from '../../planning/environment/env.ts';
import { openBucket, type Bucket } from '../../activities/storage/bucket.ts';
import { createS3ObjectStore } from '../../activities/storage/s3-object-store.ts';
import type { ObjectStore } from '../../activities/storage/ports/object-store.ts';
import type { KeptProcess } from '../../sandbox/keep-alive.ts';
import { obtainServer } from '../../sandbox/obtain.ts';
import { startS3 } from '../../sandbox/servers.ts';

export interface TestS3 extends Bucket {
  readonly client: S3Client;
  readonly endpoint: string;
  readonly accessKeyId: string;
  /** For processes that find it by AWS's default chain. */
  readonly env: Readonly<Record<string, string>>;
  /** Started again when it is killed. */
  readonly process: KeptProcess;
  /** A store on another bucket, or with another key prefix. */
  storeOn(bucket: string, prefix?: string): ObjectStore;
  stop(): Promise<void>;
}

export async function startTestS3(): Promise<TestS3> {
  quietAwsVersionWarning();
  const directory = await mkdtemp(join(tmpdir(), 'glee-s3-'));
  const executable = await obtainServer('versitygw');
  const server = await startS3({ directory, executable, bucket: 'glee' });
  const { endpoint, region, accessKeyId, secretAccessKey } = server;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 3 });
  const storeOn = (bucket: string, prefix = '') => createS3ObjectStore(client, bucket, prefix);
  return {
    client,
    ...openBucket(client, server.bucket, ''),
    endpoint,
    accessKeyId,
    env: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    },
    process: server.process,
    storeOn,
    stop: async () => {
      client.destroy();
      await server.process.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface StoreRequest {
  readonly operation: 'readText' | 'writeText' | 'upload' | 'download';
  /** Below the prefix; a full key for downloads. */
  readonly name: string;
  readonly signal: AbortSignal | undefined;
}

/** The store, with something done before and after each request; what throws there is what the caller gets. */
export function intercept(
  store: ObjectStore,
  {
    before = () => Promise.resolve(),
    after = () => Promise.resolve(),
  }: Partial<Record<'before' | 'after', (request: StoreRequest) => Promise<void>>>,
): ObjectStore {
  async function around<T>(request: StoreRequest, make: () => Promise<T>): Promise<T> {
    await before(request);
    const answer = await make();
    await after(request);
    return answer;
  }
  return {
    bucket: store.bucket,
    keyOf: (name) => store.keyOf(name),
    readText: (name, signal) =>
      around({ operation: 'readText', name, signal }, () => store.readText(name, signal)),
    writeText: (name, text, condition, signal) =>
      around({ operation: 'writeText', name, signal }, () => store.writeText(name, text, condition, signal)),
    upload: (name, path, signal, options) =>
      around({ operation: 'upload', name, signal }, () => store.upload(name, path, signal, options)),
    download: (file, path, signal, options) =>
      around({ operation: 'download', name: file.fullKey, signal }, () =>
        store.download(file, path, signal, options),
      ),
  };
}

/** Thrown where the writer's process is thought to have been killed. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

/** A store whose user is killed after so many requests: none is made from then on. */
export function killedAfter(store: ObjectStore, requests: number): ObjectStore {
  let made = 0;
  return intercept(store, {
    before: () => {
      made += 1;
      return made > requests ? Promise.reject(new Killed()) : Promise.resolve();
    },
  });
}

/** Counts the requests that pass through, as `upload runs/…`. */
export function recording(store: ObjectStore): { readonly store: ObjectStore; readonly requests: string[] } {
  const requests: string[] = [];
  const before = ({ operation, name }: StoreRequest) => {
    requests.push(`${operation} ${name}`);
    return Promise.resolve();
  };
  return { store: intercept(store, { before }), requests };
}
