/** @module A forwarding proxy before a real S3 server, which counts requests and breaks those that a test wants broken. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Client } from '@aws-sdk/client-s3';
import { createS3ObjectStore } from '../../../activities/storage/s3-object-store.ts';
import type { ObjectStore } from '../../../activities/storage/object-store.ts';
import type { Patience } from '../../../activities/storage/transfer/steadily.ts';
import type { TestS3 } from '../s3.ts';

/** Said of each request before it is forwarded. */
export interface ProxiedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  /** How many of the same kind there were before: `PUT part`, `GET`, `POST uploads`, … */
  readonly earlier: number;
}

export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** The connection is reset after so many bytes of the answer. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** A byte of the answer is another one. */
  | { readonly kind: 'flip'; readonly atByte: number }
  /** S3 has answered, and nobody hears it. */
  | { readonly kind: 'lost'; readonly then: () => void }
  | { readonly kind: 'silence' };

export interface S3Proxy {
  readonly store: ObjectStore;
  readonly endpoint: string;
  /** `PUT part 3`, `GET bytes=0-9`, `POST uploads`, … in the order in which they came. */
  readonly requests: string[];
  stop(): Promise<void>;
}

/** Little enough for a test to wait for. */
export const HASTE: Patience = { stallMs: 1000, attempts: 5, pauseMs: 20 };

export async function startS3Proxy(
  s3: TestS3,
  faultOf: (request: ProxiedRequest) => Fault | undefined = () => undefined,
  config: { readonly credentials?: S3Client['config']['credentials']; readonly patience?: Patience } = {},
): Promise<S3Proxy> {
  const requests: string[] = [];
  const kinds = new Map<string, number>();
  const server = createServer((incoming, answer) => {
    const url = new URL(incoming.url ?? '/', 'http://s3');
    const kind = kindOf(incoming, url);
    const earlier = kinds.get(kind) ?? 0;
    kinds.set(kind, earlier + 1);
    requests.push(describeRequest(kind, incoming, url));
    const { method = '', headers } = incoming;
    const fault = faultOf({ method, url, headers, earlier });
    if (fault?.kind === 'silence') return void incoming.resume();
    if (fault?.kind === 'status') refuse(incoming, answer, fault);
    else forward(s3, incoming, answer, fault);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const endpoint = `http://127.0.0.1:${String(isAddress(address) ? address.port : 0)}`;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    credentials: config.credentials ?? s3.client.config.credentials,
    forcePathStyle: true,
    maxAttempts: 1,
  });
  return {
    store: createS3ObjectStore(client, 'glee', '', config.patience ?? HASTE),
    endpoint,
    requests,
    stop: async () => {
      client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function isAddress(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

function kindOf({ method = '' }: IncomingMessage, url: URL): string {
  if (url.searchParams.has('partNumber')) return `${method} part`;
  if (url.searchParams.has('uploads')) return `${method} uploads`;
  if (url.searchParams.has('uploadId')) return `${method} upload`;
  return method;
}

function describeRequest(kind: string, { headers }: IncomingMessage, url: URL): string {
  return [kind, url.searchParams.get('partNumber'), headers.range].filter(Boolean).join(' ');
}

function refuse(
  incoming: IncomingMessage,
  answer: ServerResponse,
  { status, code }: Extract<Fault, { kind: 'status' }>,
): void {
  incoming.resume();
  answer.writeHead(status, { 'content-type': 'application/xml', connection: 'close' });
  answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>a test wants it</Message></Error>`);
}

/** The signature is over the host that the client named, so the headers go on as they are. */
function forward(
  s3: TestS3,
  incoming: IncomingMessage,
  answer: ServerResponse,
  fault: Fault | undefined,
): void {
  const { method, url: path, headers } = incoming;
  const { hostname, port } = new URL(s3.endpoint);
  const onward = request({ hostname, port, path, method, headers }, (response) => {
    if (fault?.kind === 'lost') {
      response.resume().on('end', () => {
        fault.then();
        answer.destroy();
      });
      return;
    }
    answer.writeHead(response.statusCode ?? 502, response.headers);
    let passed = 0;
    response.on('data', (chunk: Buffer) => {
      if (fault?.kind === 'cut' && passed + chunk.length > fault.afterBytes) {
        answer.write(chunk.subarray(0, Math.max(0, fault.afterBytes - passed)), () => answer.destroy());
        passed = Infinity;
        return void onward.destroy();
      }
      if (fault?.kind === 'flip' && passed <= fault.atByte && fault.atByte < passed + chunk.length) {
        const at = fault.atByte - passed;
        chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
      }
      passed += chunk.length;
      if (!answer.write(chunk)) {
        response.pause();
        answer.once('drain', () => response.resume());
      }
    });
    response.on('end', () => answer.end());
    response.on('error', () => answer.destroy());
  });
  onward.on('error', () => answer.destroy());
  answer.on('close', () => onward.destroy());
  incoming.pipe(onward);
}
