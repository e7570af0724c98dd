/** @module An S3 server that keeps small objects in memory and ignores a condition: no server at hand does so by itself. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';

export interface CarelessS3 {
  /** For a process that finds it by AWS's default chain. */
  readonly env: Readonly<Record<string, string>>;
  readonly endpoint: string;
  /** Keys that it holds, with their bucket. */
  readonly keys: () => readonly string[];
  stop(): Promise<void>;
}

export async function startCarelessS3(ignores?: 'if-match' | 'if-none-match'): Promise<CarelessS3> {
  const objects = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    void buffer(request).then((body) => answer(objects, ignores, request, body, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const endpoint = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  return {
    endpoint,
    env: {
      ...{ AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: 'us-east-1', GLEE_S3_PATH_STYLE: 'true' },
      ...{ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' },
    },
    keys: () => [...objects.keys()],
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(
  objects: Map<string, Buffer>,
  ignores: string | undefined,
  { method, url = '/', headers }: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): void {
  const key = new URL(url, 'http://s3').pathname;
  const found = objects.get(key);
  const etag = (content: Buffer) => `"${createHash('md5').update(content).digest('hex')}"`;
  const heard = (name: 'if-match' | 'if-none-match') => (name === ignores ? undefined : headers[name]);
  const isBucket = key.split('/').filter(Boolean).length === 1;
  if (method === 'PUT') {
    const stale =
      heard('if-match') !== undefined && (found === undefined || heard('if-match') !== etag(found));
    if (stale || (heard('if-none-match') !== undefined && found !== undefined))
      return void response.writeHead(412).end('<Error><Code>PreconditionFailed</Code></Error>');
    const content = withoutChunks(body, headers['content-encoding']);
    objects.set(key, content);
    return void response.writeHead(200, { etag: etag(content) }).end();
  }
  if (method === 'DELETE') {
    objects.delete(key);
    return void response.writeHead(204).end();
  }
  if (isBucket) return void response.writeHead(200).end();
  if (found === undefined) return void response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
  response.writeHead(200, { etag: etag(found), 'content-length': found.length }).end(found);
}

/** The SDK sends streams in chunks with their sizes before them. */
function withoutChunks(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding !== 'aws-chunked') return body;
  const text = body.toString();
  const start = text.indexOf('\r\n') + 2;
  return Buffer.from(text.slice(start, start + Number.parseInt(text, 16)));
}
