/** @module The ranges of one version of an object, several at a time, each continued where its connection broke. */
import { crc32 as updateCrc32 } from 'node:zlib';
import { httpStatus } from '../../../planning/environment/s3-client.ts';
import type { SizedFile } from '../../files/sized-file.ts';
import { WrongContent } from '../ports/object-store.ts';
import type { DownloadSource, Promised } from './transfer-ends.ts';
import type { ResponseHead } from './http-response.ts';
import { piecesOf, rangeBytesFor, type Piece } from './cut-pieces.ts';
import { readRange } from './read-range.ts';
import { signGet } from './sign-request.ts';
import { withRetry, type Attempt } from './with-retry.ts';

/** Each has up to two buffers of two mebibytes. */
const CONNECTIONS = 8;

export interface RangesInput {
  readonly promised: Promised;
  readonly file: SizedFile;
  readonly signal: AbortSignal;
  readonly onProgress: ((bytes: number) => void) | undefined;
}

/** A range and what of it has come: its first bytes, in order. */
interface Range extends Piece {
  doneBytes: number;
  crc32: number;
}

/** @returns The pieces that the file consists of, with their checksums. */
export async function fetchRanges(
  source: DownloadSource,
  input: RangesInput,
): Promise<readonly { readonly sizeBytes: number; readonly crc32: number }[]> {
  return new RangeFetcher(source, input).fetch();
}

class RangeFetcher {
  readonly #source: DownloadSource;
  readonly #input: RangesInput;
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  readonly #ranges: readonly Range[];
  /** Those that no range is reading into. */
  readonly #buffers: Buffer[] = [];
  #next = 0;
  #doneBytes = 0;
  /** ETag of the version that the first answer had; all others must have it too. */
  #version: string | undefined;

  constructor(source: DownloadSource, input: RangesInput) {
    const { sizeBytes } = input.promised;
    const pieces =
      sizeBytes === 0 ? [{ offset: 0, sizeBytes }] : piecesOf(sizeBytes, rangeBytesFor(sizeBytes));
    this.#source = source;
    this.#input = input;
    this.#signal = AbortSignal.any([input.signal, this.#failed.signal]);
    this.#ranges = pieces.map((piece) => ({ ...piece, doneBytes: 0, crc32: 0 }));
  }

  async fetch(): Promise<readonly Range[]> {
    const lanes: Promise<void>[] = [];
    try {
      // The others begin when the first answer has said which version there is.
      await new Promise<void>((opened, refused) => {
        lanes.push(this.#lane(opened));
        lanes[0]?.then(opened, refused);
      });
      while (lanes.length < Math.min(CONNECTIONS, this.#ranges.length)) lanes.push(this.#lane());
      await Promise.all(lanes);
      return this.#ranges;
    } catch (error) {
      // What the disk said comes before what the connections said that were ended for it.
      throw this.#failed.signal.aborted ? this.#failed.signal.reason : error;
    } finally {
      this.#failed.abort();
      await Promise.allSettled(lanes);
    }
  }

  async #lane(opened?: () => void): Promise<void> {
    for (;;) {
      const range = this.#ranges[this.#next];
      if (range === undefined) return;
      this.#next += 1;
      const { client, retryPolicy } = this.#source;
      await withRetry(client, retryPolicy, this.#signal, (attempt) => this.#attempt(range, attempt, opened));
    }
  }

  async #attempt(range: Range, attempt: Attempt, opened?: () => void): Promise<void> {
    if (range.doneBytes === range.sizeBytes && this.#version !== undefined) return;
    const { client, bucket, key } = this.#source;
    const from = range.offset + range.doneBytes;
    const request = await signGet(client, {
      ...{ Bucket: bucket, Key: key },
      ...(range.sizeBytes > 0 && {
        Range: `bytes=${from}-${range.offset + range.sizeBytes - 1}`,
      }),
      ...(this.#version !== undefined && { IfMatch: this.#version }),
    });
    const onHead = (head: ResponseHead) => {
      const wanted = range.sizeBytes - range.doneBytes;
      this.#mustFit(head, from, wanted);
      this.#version ??= head.headers.get('etag');
      opened?.();
      return wanted;
    };
    try {
      const onBytes = (bytes: Buffer) => this.#save(range, bytes, attempt);
      await readRange(request, { onHead, onBytes, buffers: this.#buffers }, attempt);
    } catch (error) {
      throw httpStatus(error) === 416 ? this.#wrongSize('fewer') : error;
    }
  }

  /** The answer holds just the bytes that were asked for, of an object as long as was promised. */
  #mustFit({ status, headers }: ResponseHead, from: number, wanted: number): void {
    const length = headers.get('content-length');
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? [];
    const found = status === 206 ? total : length;
    if (found === undefined) throw new Error('S3 answered without the length of the object');
    if (Number(found) !== this.#input.promised.sizeBytes) throw this.#wrongSize(found);
    if (Number(first ?? 0) !== from || Number(length) !== wanted) {
      throw new Error(
        `S3 answered with other bytes than those asked for: from ${first ?? '0'}, ${length} of them`,
      );
    }
  }

  #wrongSize(found: string): WrongContent {
    const { sizeBytes, sha256 } = this.#input.promised;
    return new WrongContent(`expected ${sizeBytes} bytes with sha256 ${sha256}, S3 has ${found}`);
  }

  #save(range: Range, bytes: Buffer, attempt: Attempt): Promise<void> {
    const position = range.offset + range.doneBytes;
    range.crc32 = updateCrc32(bytes, range.crc32);
    range.doneBytes += bytes.length;
    this.#doneBytes += bytes.length;
    attempt.advance();
    return this.#input.file.write(bytes, position).then(
      () => {
        attempt.touch();
        this.#input.onProgress?.(this.#doneBytes);
      },
      (error: unknown) => this.#failed.abort(error),
    );
  }
}
