/** @module Into which pieces a file is cut that goes to S3 or comes from it. */
import { combineCrc32 } from './crc32.ts';

export interface Piece {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** With four of them under way these are 32 MiB; S3 takes 10,000, so that up to 80 GB they need not be larger. */
const PART_BYTES = 8 << 20;
const MOST_PARTS = 10_000;

/** The same for the same file always: another process continues with what one has begun. */
export function partBytesFor(fileBytes: number): number {
  return Math.max(PART_BYTES, Math.ceil(fileBytes / MOST_PARTS / (1 << 20)) * (1 << 20));
}

/** Large enough that a request's cost does not show, small enough that all connections have work to the end. */
export function rangeBytesFor(fileBytes: number): number {
  const eighth = Math.ceil(fileBytes / 8 / (1 << 20)) * (1 << 20);
  return Math.min(Math.max(eighth, 8 << 20), 64 << 20);
}

/** None of an empty file. */
export function piecesOf(fileBytes: number, pieceBytes: number): readonly Piece[] {
  return Array.from({ length: Math.ceil(fileBytes / pieceBytes) }, (_, index) => {
    const offset = index * pieceBytes;
    return { offset, sizeBytes: Math.min(pieceBytes, fileBytes - offset) };
  });
}

/** Checksum of the whole from those of its pieces, in their order. */
export function crc32OfPieces(
  pieces: readonly { readonly sizeBytes: number; readonly crc32: number }[],
): number {
  return pieces.reduce((whole, { crc32, sizeBytes }) => combineCrc32(whole, crc32, sizeBytes), 0);
}
