/** @module Downloads into a real S3, with little retryPolicy and small parts. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import type { TestContext } from 'node:test';
import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
} from '@aws-sdk/client-s3';
import { createS3MultipartUploads } from '../../../activities/storage/s3-multipart-uploads.ts';
import { createS3StoredObjects } from '../../../activities/storage/s3-stored-objects.ts';
import type { FetchErrorKind } from '../../../activities/weights/sources/fetch-error.ts';
import {
  fetchIntoS3,
  type FetchRequest,
  type FetchResult,
} from '../../../activities/weights/fetch-into-s3.ts';
import type { FetchTools } from '../../../activities/weights/fetching.ts';
import type { FetchProgress } from '../../../activities/weights/progress.ts';
import { createSources, type SourceSettings } from '../../../activities/weights/sources/open-source.ts';
import { parseSource } from '../../../activities/weights/sources/parse-source.ts';
import type { TestS3 } from '../s3.ts';

export const MIB = 1 << 20;
/** The smallest that S3 takes. */
export const PART = 5 * MIB;
const QUICK = { connectMs: 1000, headersMs: 500, bodyMs: 500 };
const DEFAULT_RETRY_POLICY = { failures: 5, firstWaitMs: 5, longestWaitMs: 20, longestRetryAfterMs: 1000 };

export interface Downloads {
  readonly tools: FetchTools;
  /** Everything that was told, the notes among it. */
  readonly progress: FetchProgress[];
  readonly fetch: (
    name: string,
    source: string | readonly string[],
    expected?: FetchRequest['expected'],
  ) => Promise<FetchResult>;
}

export function downloads(
  test: TestContext,
  s3: TestS3,
  settings: Partial<SourceSettings> = {},
  changes: Partial<FetchTools> = {},
): Downloads {
  const sources = createSources(s3.client, {
    huggingFace: { endpoint: 'http://127.0.0.1:9' },
    timeouts: QUICK,
    proxies: { noProxy: '*' },
    privateHosts: ['127.0.0.1'],
    fileRoots: [tmpdir()],
    ...settings,
  });
  test.after(() => sources.close());
  const uploads = createS3MultipartUploads(s3.client, 'glee', '');
  const objects = createS3StoredObjects(s3.client, 'glee', '');
  const tools = {
    store: s3.store,
    uploads,
    objects,
    sources,
    retryPolicy: DEFAULT_RETRY_POLICY,
    partSizeBytes: PART,
    ...changes,
  };
  const progress: FetchProgress[] = [];
  return {
    tools,
    progress,
    fetch: (name, source, expected) =>
      fetchIntoS3(
        tools,
        { name, sources: [source].flat().map((text) => parseSource(text)), ...(expected && { expected }) },
        AbortSignal.timeout(30_000),
        (told) => progress.push(told),
      ),
  };
}

export function notes({ progress }: Downloads): string {
  return progress.flatMap(({ note }) => note ?? []).join('\n');
}

export function someBytes(sizeBytes: number): Buffer {
  return randomBytes(sizeBytes);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The manifest names an object that has just these bytes, and nothing but the two is left below the name. */
export async function mustHave(s3: TestS3, { manifest }: FetchResult, bytes: Buffer): Promise<void> {
  const { name, file } = manifest;
  assert.equal(file.sha256, sha256(bytes));
  assert.equal(file.sizeBytes, bytes.length);
  const stored = await s3.client.send(new GetObjectCommand({ Bucket: 'glee', Key: file.key }));
  assert.equal(sha256((await stored.Body?.transformToByteArray()) ?? new Uint8Array()), file.sha256);
  assert.deepEqual(JSON.parse((await s3.store.readText(`artifacts/${name}.json`))?.text ?? ''), manifest);
  assert.deepEqual(await keysOf(s3, name), [file.key]);
  assert.equal(await openUploads(s3, name), 0);
}

/** No manifest, and no object that could be mistaken for the file. */
export async function mustHaveNothing(s3: TestS3, name: string): Promise<void> {
  assert.equal(await s3.store.readText(`artifacts/${name}.json`), undefined);
  const objects = (await keysOf(s3, name)).filter((key) => !key.endsWith('/download.json'));
  assert.deepEqual(objects, []);
}

export async function mustFail(
  s3: TestS3,
  name: string,
  fetched: Promise<FetchResult>,
  kind: FetchErrorKind,
  message: RegExp,
): Promise<void> {
  await assert.rejects(fetched, { name: 'FetchError', kind, message });
  await mustHaveNothing(s3, name);
}

export async function keysOf(s3: TestS3, name: string): Promise<readonly string[]> {
  const list = new ListObjectsV2Command({ Bucket: 'glee', Prefix: `artifacts/${name}/` });
  const found = await s3.client.send(list);
  return (found.Contents ?? []).flatMap(({ Key }) => Key ?? []).filter((key) => !key.endsWith('/'));
}

/** Parts that S3 has of the download that is under way. */
export async function storedParts(s3: TestS3, name: string): Promise<number> {
  const { Uploads } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: 'glee' }));
  const upload = Uploads?.find(({ Key }) => Key?.startsWith(`artifacts/${name}/`));
  if (upload === undefined) return 0;
  const of = { Bucket: 'glee', Key: upload.Key, UploadId: upload.UploadId };
  return (await s3.client.send(new ListPartsCommand(of))).Parts?.length ?? 0;
}

async function openUploads(s3: TestS3, name: string): Promise<number> {
  const { Uploads } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: 'glee' }));
  return (Uploads ?? []).filter(({ Key }) => Key?.startsWith(`artifacts/${name}/`)).length;
}
