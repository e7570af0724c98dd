/**
 * @module The bodies of S3's answers. The SDK lets go of a request when its signal aborts, but not of the body that it has
 * answered with.
 */
import { Readable } from 'node:stream';
import { toBytes } from '../files/atomic-files.ts';

/** @throws AbortError when the signal says so, however long S3 is silent. */
export async function* bytesOf(body: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const abort = () => void body.destroy(new DOMException('This operation was aborted', 'AbortError'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    for await (const chunk of body) yield toBytes(chunk);
  } finally {
    signal.removeEventListener('abort', abort);
    body.destroy();
  }
}

/** All of a small body; '' where there is none, undefined where it has more bytes: then no more of them are read. */
export async function textOf(
  body: unknown,
  mostBytes: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!(body instanceof Readable)) return '';
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of bytesOf(body, signal)) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > mostBytes) return undefined;
  }
  return Buffer.concat(chunks).toString('utf8');
}
