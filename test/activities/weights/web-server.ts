/** @module A real HTTP server for downloads, which counts what it sends and misbehaves as a test asks it to. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** How many GETs there were before this request. */
  readonly gets: number;
  /** Sends bytes and counts them. */
  readonly send: (bytes: Uint8Array) => Promise<void>;
}

export interface WebServer {
  readonly origin: string;
  /** As `GET /model.pth bytes=5-`. */
  readonly requests: string[];
  /** Of bodies, over all requests. */
  sentBytes(): number;
}

export async function startWebServer(
  test: TestContext,
  handle: (exchange: Exchange) => Promise<void> | void,
): Promise<WebServer> {
  const requests: string[] = [];
  let sentBytes = 0;
  const server = createServer((request, response) => {
    const gets = requests.filter((line) => line.startsWith('GET')).length;
    const range = request.headers.range;
    requests.push(`${request.method ?? ''} ${request.url ?? ''}${range === undefined ? '' : ` ${range}`}`);
    const send = async (bytes: Uint8Array) => {
      sentBytes += bytes.length;
      if (response.write(bytes)) return;
      await new Promise<void>((resolve) => {
        const go = () => {
          response.off('drain', go).off('close', go);
          resolve();
        };
        response.on('drain', go).on('close', go);
      });
    };
    void Promise.resolve(handle({ request, response, gets, send })).catch(() => response.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { origin: `http://127.0.0.1:${address.port}`, requests, sentBytes: () => sentBytes };
}

export interface ServedFile {
  readonly bytes: Buffer;
  readonly etag?: string;
  readonly lastModified?: string;
  /** Answers every range with the whole file. */
  readonly ignoresRange?: boolean;
  /** What Content-Length says instead of the truth. */
  readonly statedBytes?: number;
  /** Cuts the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Sends no more after so many bytes of the body, and keeps the connection. */
  readonly stopAfter?: number;
  /** Waited for after each piece of 64 KiB. */
  readonly pace?: () => Promise<void>;
}

const PIECE = 1 << 16;

/** As a good server would, but for what the file says. */
export async function sendFile({ request, response, send }: Exchange, file: ServedFile): Promise<void> {
  const { etag, lastModified } = file;
  if (etag !== undefined) response.setHeader('etag', etag);
  if (lastModified !== undefined) response.setHeader('last-modified', lastModified);
  const start = rangeStart(request, file);
  if (start !== undefined && start >= file.bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${file.bytes.length}` }).end();
    return;
  }
  const body = file.bytes.subarray(start ?? 0);
  const length = file.statedBytes === undefined ? body.length : file.statedBytes - (start ?? 0);
  response.setHeader('content-length', length);
  const last = file.bytes.length - 1;
  if (start !== undefined) response.setHeader('content-range', `bytes ${start}-${last}/${last + 1}`);
  response.writeHead(start === undefined ? 200 : 206);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const end = Math.min(body.length, file.cutAfter ?? Infinity, file.stopAfter ?? Infinity);
  for (let at = 0; at < end && !response.destroyed; at += PIECE) {
    await send(body.subarray(at, Math.min(at + PIECE, end)));
    await file.pace?.();
  }
  if (file.stopAfter !== undefined) return;
  if (end < body.length || length !== body.length) response.socket?.destroySoon();
  else response.end();
}

function rangeStart(
  request: IncomingMessage,
  { etag, lastModified, ignoresRange }: ServedFile,
): number | undefined {
  const start = /^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1];
  const condition = request.headers['if-range'];
  if (start === undefined || ignoresRange === true) return undefined;
  if (condition !== undefined && condition !== (etag ?? lastModified)) return undefined;
  return Number(start);
}
