/** @module A forwarding proxy before a real S3 server, which breaks those requests that a test wants broken. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';

/** Said of each request before it is forwarded. */
export interface ProxiedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
}

export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** The connection is reset after so many bytes of the answer. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** After so many bytes of the answer nothing comes any more. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** A byte of the answer is another one. */
  | { readonly kind: 'flip'; readonly atByte: number }
  /** S3 has answered, and no one hears it. */
  | { readonly kind: 'lost'; readonly then?: () => void }
  /** The connection is reset before S3 has heard of it. */
  | { readonly kind: 'reset' }
  /** S3 hears of it only after a while. */
  | { readonly kind: 'late'; readonly ms: number }
  /** S3 hears of it after a while, also when the client has given up: a network may hold a request back for long. */
  | { readonly kind: 'belated'; readonly ms: number }
  | { readonly kind: 'silence' };

export interface FaultyProxy {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/**
 * @param target Endpoint of the S3 server; undefined while there is none.
 * @param host Address that it listens at.
 */
export async function startFaultyProxy(
  target: () => string | undefined,
  faultOf: (request: ProxiedRequest) => Fault | undefined,
  host = '127.0.0.1',
): Promise<FaultyProxy> {
  const server = createServer((incoming, answer) => {
    const { method = '', headers } = incoming;
    const fault = faultOf({ method, url: new URL(incoming.url ?? '/', 'http://s3'), headers });
    const endpoint = target();
    if (fault?.kind === 'silence') return void incoming.resume();
    if (fault?.kind === 'reset') return void incoming.socket.destroy();
    if (endpoint === undefined) refuse(incoming, answer, { status: 503, code: 'SlowDown' });
    else if (fault?.kind === 'status') refuse(incoming, answer, fault);
    else if (fault?.kind === 'late') {
      const timer = setTimeout(() => forward(endpoint, incoming, answer, undefined), fault.ms);
      answer.on('close', () => clearTimeout(timer));
    } else if (fault?.kind === 'belated') forwardBelatedly(endpoint, incoming, answer, fault.ms);
    else forward(endpoint, incoming, answer, fault);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    endpoint: `http://${host}:${port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function refuse(
  incoming: IncomingMessage,
  answer: ServerResponse,
  { status, code }: { readonly status: number; readonly code: string },
): void {
  incoming.resume();
  answer.writeHead(status, { 'content-type': 'application/xml', connection: 'close' });
  answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>a test wants it</Message></Error>`);
}

function forwardBelatedly(
  endpoint: string,
  incoming: IncomingMessage,
  answer: ServerResponse,
  ms: number,
): void {
  const { method, url: path, headers } = incoming;
  const { hostname, port } = new URL(endpoint);
  const body: Buffer[] = [];
  const send = () => {
    const onward = request({ hostname, port, path, method, headers }, (response) => {
      if (answer.destroyed) return void response.resume();
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
      response.on('error', () => answer.destroy());
    });
    onward.on('error', () => answer.destroy());
    onward.end(Buffer.concat(body));
  };
  incoming.on('data', (chunk: Buffer) => body.push(chunk));
  incoming.on('end', () => setTimeout(send, ms).unref());
}

/** The signature is over the host that the client named, so the headers continue as they are. */
function forward(
  endpoint: string,
  incoming: IncomingMessage,
  answer: ServerResponse,
  fault: Fault | undefined,
): void {
  const { method, url: path, headers } = incoming;
  const { hostname, port } = new URL(endpoint);
  const onward = request({ hostname, port, path, method, headers }, (response) => {
    if (fault?.kind === 'lost') {
      response.resume().on('end', () => {
        fault.then?.();
        answer.destroy();
      });
      return;
    }
    answer.writeHead(response.statusCode ?? 502, response.headers);
    let passed = 0;
    response.on('data', (chunk: Buffer) => {
      if (fault?.kind === 'stall' && passed + chunk.length > fault.afterBytes) {
        answer.write(chunk.subarray(0, fault.afterBytes));
        return void response.pause();
      }
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
