/** @module Writes to places in a file, and has the disk begin while more comes: at the end there is little left to wait for. */
import { fdatasync, write } from 'node:fs';

const FLUSH_BYTES = 128 << 20;

export class FlushingWriter {
  readonly #fd: number;
  #unflushedBytes = 0;
  #flush: Promise<void> | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async write(bytes: Buffer, position: number): Promise<void> {
    await writeAll(this.#fd, bytes, position);
    this.#unflushedBytes += bytes.length;
    if (this.#unflushedBytes < FLUSH_BYTES || this.#flush !== undefined) return;
    this.#unflushedBytes = 0;
    this.#flush = new Promise((resolve) => {
      // What goes wrong here, the sync at the end says.
      fdatasync(this.#fd, () => {
        this.#flush = undefined;
        resolve();
      });
    });
  }

  /** The file may be closed after. */
  async end(): Promise<void> {
    await this.#flush;
  }
}

function writeAll(fd: number, bytes: Buffer, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, 0, bytes.length, position, (error, written) => {
      if (error !== null) reject(error);
      else if (written === bytes.length) resolve();
      // The disk took less than it was given: the rest may say why.
      else writeAll(fd, bytes.subarray(written), position + written).then(resolve, reject);
    });
  });
}
