/**
 * @module Reads a file part by part in a thread of low priority, and hashes it on the way, so that neither heartbeats
 * nor trainers wait for it.
 */
import { Worker } from 'node:worker_threads';

/** Of the part that was read into a buffer. */
export interface ReadPart {
  /** Less than the buffer's at the file's end; 0 behind it. */
  readonly sizeBytes: number;
  readonly crc32: number;
  /** Of the whole file, once its end was seen. */
  readonly sha256: string | undefined;
}

interface Waiting {
  readonly resolve: (part: ReadPart) => void;
  readonly reject: (error: Error) => void;
}

/** Shared memory, not handed back and forth: a socket that is being closed may still look at it. */
export class PartReader {
  readonly #thread: Worker;
  /** The thread answers in the order in which it was asked. */
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;

  constructor(fd: number) {
    this.#thread = new Worker(new URL('./part-reader-thread.js', import.meta.url), { workerData: fd });
    this.#thread.on('message', (part: ReadPart) => this.#waiting.shift()?.resolve(part));
    this.#thread.on('error', (error) => this.#fail(error));
    this.#thread.on('exit', () => this.#fail(new Error('the thread that reads the file has ended')));
  }

  /** Fills the buffer with the file's next bytes. */
  read(buffer: SharedArrayBuffer): Promise<ReadPart> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#thread.postMessage(buffer);
    });
  }

  /** Nothing touches the file or a buffer after. */
  async stop(): Promise<void> {
    await this.#thread.terminate();
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
