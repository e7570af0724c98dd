/**
 * @module Reads a pickle's bytes from front to back, never beyond its end.
 */
import { TorchFileError } from './torch-file-error.ts';

const NEWLINE = 0x0a;

export class PickleCursor {
  position = 0;
  private readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** @throws TorchFileError when there are not so many. */
  take(length: number): Buffer {
    const end = this.position + length;
    if (length < 0 || end > this.bytes.length) throw new TorchFileError('the pickle ends within a value');
    const taken = this.bytes.subarray(this.position, end);
    this.position = end;
    return taken;
  }

  byte(): number {
    return this.take(1).readUInt8();
  }

  uint16(): number {
    return this.take(2).readUInt16LE();
  }

  int32(): number {
    return this.take(4).readInt32LE();
  }

  uint32(): number {
    return this.take(4).readUInt32LE();
  }

  /** Lengths: beyond 2^53 they are refused by `take` all the same. */
  uint64(): number {
    return Number(this.take(8).readBigUInt64LE());
  }

  float64(): number {
    return this.take(8).readDoubleBE();
  }

  text(length: number): string {
    return this.take(length).toString('utf8');
  }

  line(): string {
    const end = this.bytes.indexOf(NEWLINE, this.position);
    if (end < 0) throw new TorchFileError('the pickle ends within a line');
    const line = this.text(end - this.position);
    this.position = end + 1;
    return line;
  }

  /** Little-endian two's complement of any length. */
  long(length: number): number | bigint {
    const bytes = this.take(length);
    if (length > 256) throw new TorchFileError('the pickle has a number of absurd length');
    const magnitude = BigInt(`0x0${Buffer.from(bytes).reverse().toString('hex')}`);
    const value = BigInt.asIntN(Math.max(1, length * 8), magnitude);
    return narrow(value);
  }
}

/** A plain number where it is exact. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
