/** @module A store behind a proxy, which counts requests and breaks those that a test wants broken. */
import { S3Client } from '@aws-sdk/client-s3';
import { createS3ObjectStore } from '../../../activities/storage/s3-object-store.ts';
import type { ObjectStore } from '../../../activities/storage/ports/object-store.ts';
import type { RetryPolicy } from '../../../activities/storage/transfer/with-retry.ts';
import { startFaultyProxy, type Fault, type ProxiedRequest as Request } from '../../support/faulty-proxy.ts';
import type { TestS3 } from '../s3.ts';

export type { Fault };

export interface ProxiedRequest extends Request {
  /** How many of the same kind there were before: `PUT part`, `GET`, `POST uploads`, … */
  readonly earlier: number;
}

export interface S3Proxy {
  readonly store: ObjectStore;
  readonly endpoint: string;
  /** `PUT part 3`, `GET bytes=0-9`, `POST uploads`, … in the order in which they came. */
  readonly requests: string[];
  stop(): Promise<void>;
}

/** Little enough for a test to wait for. */
export const HASTE: RetryPolicy = { stallMs: 1000, attempts: 5, pauseMs: 20 };

export async function startS3Proxy(
  s3: TestS3,
  faultOf: (request: ProxiedRequest) => Fault | undefined = () => undefined,
  config: {
    readonly credentials?: S3Client['config']['credentials'];
    readonly retryPolicy?: RetryPolicy;
  } = {},
): Promise<S3Proxy> {
  const requests: string[] = [];
  const kinds = new Map<string, number>();
  const proxy = await startFaultyProxy(
    () => s3.endpoint,
    (request) => {
      const kind = kindOf(request);
      const earlier = kinds.get(kind) ?? 0;
      kinds.set(kind, earlier + 1);
      requests.push(describeRequest(kind, request));
      return faultOf({ ...request, earlier });
    },
  );
  const client = new S3Client({
    endpoint: proxy.endpoint,
    region: 'us-east-1',
    credentials: config.credentials ?? s3.client.config.credentials,
    forcePathStyle: true,
    maxAttempts: 1,
  });
  return {
    store: createS3ObjectStore(client, 'glee', '', config.retryPolicy ?? HASTE),
    endpoint: proxy.endpoint,
    requests,
    stop: async () => {
      client.destroy();
      await proxy.stop();
    },
  };
}

function kindOf({ method, url }: Request): string {
  if (url.searchParams.has('partNumber')) return `${method} part`;
  if (url.searchParams.has('uploads')) return `${method} uploads`;
  if (url.searchParams.has('uploadId')) return `${method} upload`;
  return method;
}

function describeRequest(kind: string, { url, headers }: Request): string {
  return [kind, url.searchParams.get('partNumber'), headers.range].filter(Boolean).join(' ');
}
