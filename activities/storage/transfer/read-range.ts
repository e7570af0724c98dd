/**
 * @module The answer to one GET, off the socket into a few buffers that are used again and again. Node's HTTP client and
 * the SDK make a new buffer of each 64 KiB, at two to three times the CPU time: it is the trainer's.
 */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { trustedAuthorities } from '../../../planning/environment/s3-client.ts';
import { parseHead, S3Refusal, type ResponseHead } from './http-response.ts';
import type { SignedRequest } from './sign-request.ts';
import type { Attempt } from './with-retry.ts';

/** Half of it is as fast, and takes a fifth more CPU time. */
const BUFFER_BYTES = 2 << 20;
/** For what comes after the end: nothing should, and no other range's buffer may be hit. */
const NOWHERE = Buffer.alloc(64 << 10);
const MOST_ERROR_BYTES = 64 << 10;

export interface RangeSink {
  /** @returns How many bytes of the body are wanted, all of them. Throws what ends the request. */
  readonly onHead: (head: ResponseHead) => number;
  /** Pieces of the body in their order; each is the sink's until its promise resolves. Must not reject. */
  readonly onBytes: (bytes: Buffer) => Promise<void>;
  /** To be used, and used again: whole pages, as the disk takes them past the kernel's cache. */
  readonly buffers: Buffer[];
}

/** @throws S3Refusal when S3 refuses; errors without a status when the connection breaks. */
export function readRange(request: SignedRequest, sink: RangeSink, attempt: Attempt): Promise<void> {
  return new RangeReader(sink, attempt).read(request);
}

class RangeReader {
  readonly #sink: RangeSink;
  readonly #attempt: Attempt;
  /** The socket waits for them: the kernel takes in what comes, and other ranges have the thread. TLS may add a second. */
  readonly #writes = new Set<Promise<void>>();
  #buffer: Buffer;
  /** What is read, and not yet the sink's: the buffer's first bytes. */
  #filled = 0;
  /** Of the body; undefined before the head is there. */
  #missingBytes: number | undefined;
  #refused: ResponseHead | undefined;
  #socket: Socket | undefined;
  #settle: (error?: Error) => void = () => undefined;

  constructor(sink: RangeSink, attempt: Attempt) {
    this.#sink = sink;
    this.#attempt = attempt;
    this.#buffer = this.#emptyBuffer();
  }

  async read(request: SignedRequest): Promise<void> {
    const { signal } = this.#attempt;
    signal.throwIfAborted();
    const abort = () => this.#settle(new DOMException('This operation was aborted', 'AbortError'));
    signal.addEventListener('abort', abort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = (error) => (error === undefined ? resolve() : reject(error));
        this.#socket = this.#open(request);
        this.#socket.write(textOf(request));
      });
    } finally {
      signal.removeEventListener('abort', abort);
      this.#socket?.destroy();
      // The file must not be closed, nor its buffers used, while the disk still takes from them.
      await Promise.all(this.#writes);
    }
  }

  #open({ protocol, hostname, port }: SignedRequest): Socket {
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const onread = { buffer: () => this.#room(), callback: (bytes: number) => this.#tookIn(bytes) };
    const ca = protocol === 'https:' ? trustedAuthorities() : undefined;
    const socket =
      protocol === 'http:'
        ? connect({ host, port: port ?? 80, onread })
        : connectTls({
            ...{ host, port: port ?? 443, onread },
            ...(isIP(host) === 0 && { servername: host }),
            ...(ca !== undefined && { ca }),
          });
    socket.on('error', (error: Error) => this.#settle(error));
    socket.on('close', () => this.#ended());
    return socket;
  }

  #room(): Buffer {
    return this.#buffer.subarray(this.#filled);
  }

  /** @returns False when the socket shall wait. */
  #tookIn(bytes: number): boolean {
    this.#attempt.touch();
    this.#filled += bytes;
    try {
      if (this.#missingBytes === undefined && !this.#readHead()) {
        this.#makeRoom();
        return true;
      }
      this.#passOn();
    } catch (error) {
      this.#settle(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
    return this.#writes.size === 0;
  }

  /** @returns Whether there is a body that is wanted. */
  #readHead(): boolean {
    if (this.#refused !== undefined) return this.#readRefusal(this.#refused);
    const parsed = parseHead(this.#buffer.subarray(0, this.#filled));
    if (parsed === undefined) return false;
    const { head, headBytes } = parsed;
    this.#buffer.copyWithin(0, headBytes, this.#filled);
    this.#filled -= headBytes;
    if (head.status < 200) return this.#readHead();
    if (head.status !== 200 && head.status !== 206) {
      this.#refused = head;
      return this.#readRefusal(head);
    }
    this.#missingBytes = this.#sink.onHead(head);
    return true;
  }

  #readRefusal({ status, headers }: ResponseHead): false {
    const body = this.#buffer.toString('utf8', 0, this.#filled);
    const whole = Number(headers.get('content-length') ?? Infinity);
    const isWhole = this.#filled >= whole || body.includes('</Error>');
    if (isWhole || this.#filled > MOST_ERROR_BYTES) this.#settle(new S3Refusal(status, body));
    return false;
  }

  #passOn(): void {
    const missing = this.#missingBytes ?? 0;
    const bytes = Math.min(this.#filled, missing);
    const isLast = bytes === missing;
    if (!isLast && this.#filled < BUFFER_BYTES) return;
    this.#missingBytes = missing - bytes;
    if (bytes > 0) this.#write(this.#buffer, bytes);
    this.#buffer = isLast ? NOWHERE : this.#emptyBuffer();
    this.#filled = 0;
    if (isLast) this.#settle();
  }

  #emptyBuffer(): Buffer {
    return this.#sink.buffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  #write(buffer: Buffer, bytes: number): void {
    const write = this.#sink.onBytes(buffer.subarray(0, bytes)).then(() => {
      this.#writes.delete(write);
      this.#sink.buffers.push(buffer);
      if (this.#writes.size === 0) this.#socket?.resume();
    });
    this.#writes.add(write);
  }

  /** Heads and refusals are small; one that does not fit is none. */
  #makeRoom(): void {
    if (this.#filled < BUFFER_BYTES) return;
    throw new Error('the answer of S3 is not one');
  }

  #ended(): void {
    if (this.#refused !== undefined) {
      const body = this.#buffer.toString('utf8', 0, this.#filled);
      this.#settle(new S3Refusal(this.#refused.status, body));
    }
    const missing = this.#missingBytes === undefined ? 'its answer' : `${this.#missingBytes} bytes`;
    this.#settle(new Error(`the connection was closed with ${missing} missing`));
  }
}

function textOf({ path, query, headers }: SignedRequest): string {
  const search = new URLSearchParams(query).toString();
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path}${search === '' ? '' : `?${search}`} HTTP/1.1\r\n${lines.join('')}connection: close\r\n\r\n`;
}
