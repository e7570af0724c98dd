/** @module Stands before an S3 server, so that a test sees each request and decides what becomes of it. */
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  /** Counted from 1. */
  readonly number: number;
  readonly method: string;
  /** Path and query. */
  readonly url: string;
}

/** What becomes of the answer that S3 has given; the client waits for it. */
export type AfterAnswer = (seen: SeenRequest) => Promise<'relay' | 'drop'>;

export interface S3Proxy {
  readonly endpoint: string;
  readonly seen: readonly SeenRequest[];
  stop(): Promise<void>;
}

/** Signatures stay right: they cover the host that the client asked for, which is passed on as it is. */
export async function startS3Proxy(endpoint: string, after: AfterAnswer): Promise<S3Proxy> {
  const seen: SeenRequest[] = [];
  const server = createServer((incoming, outgoing) => {
    const one = { number: seen.length + 1, method: incoming.method ?? '', url: incoming.url ?? '' };
    seen.push(one);
    forward(new URL(endpoint), incoming, outgoing, () => after(one));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = addressOf(server.address());
  return {
    endpoint: `http://127.0.0.1:${String(port)}`,
    seen,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function forward(
  { hostname, port }: URL,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  after: () => ReturnType<AfterAnswer>,
): void {
  const { method, url, headers } = incoming;
  const onward = send({ hostname, port, method, path: url, headers }, (answer) => {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.on('end', () => {
      void after().then((what) => {
        if (what === 'drop') return void outgoing.destroy();
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        outgoing.end(Buffer.concat(chunks));
      });
    });
  });
  onward.on('error', () => outgoing.destroy());
  incoming.on('error', () => onward.destroy());
  incoming.pipe(onward);
}

function addressOf(address: string | AddressInfo | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return address;
}
