/**
 * @module A stream of bytes into the parts of an upload, in order: one part fills, then it travels, then the next one
 * fills. Memory is one part, and so is what a crash makes the next process repeat. While a part travels, the source goes
 * on sending into the kernel's buffers, so that its line does not rest.
 */
import type { MultipartUpload, MultipartUploads, StoredPart } from '../storage/ports/multipart-uploads.ts';

/** S3 takes no less than 5 MiB but for the last. */
export const PART_SIZE_BYTES = 8 << 20;
const MOST_PARTS = 10_000;

/** Larger where so many parts of the wished size would be more than S3 takes. */
export function partSizeFor(sizeBytes: number | undefined, wishedBytes: number): number {
  return Math.max(wishedBytes, Math.ceil((sizeBytes ?? 0) / MOST_PARTS));
}

/** The parts from the first on without a gap that are whole: what need not be downloaded again. */
export function wholeParts(
  parts: readonly StoredPart[],
  partSizeBytes: number,
  totalBytes: number | undefined,
): readonly StoredPart[] {
  const sizeOf = (index: number) => Math.min(partSizeBytes, (totalBytes ?? Infinity) - index * partSizeBytes);
  const end = parts.findIndex(
    ({ number, sizeBytes }, index) => number !== index + 1 || sizeBytes !== sizeOf(index),
  );
  return end === -1 ? parts : parts.slice(0, end);
}

export interface PartsInput {
  readonly upload: MultipartUpload;
  readonly partSizeBytes: number;
  /** What S3 has already; the bytes continue after it. */
  readonly stored: readonly StoredPart[];
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** @param send Puts one part, as often as it is worth it; the bytes are overwritten once it is done. */
export async function uploadParts(
  { upload, partSizeBytes, stored, bytes }: PartsInput,
  send: (
    upload: MultipartUpload,
    number: number,
    bytes: Uint8Array,
  ) => ReturnType<MultipartUploads['putPart']>,
): Promise<readonly StoredPart[]> {
  const parts = [...stored];
  for await (const part of inParts(bytes, partSizeBytes)) {
    parts.push(await send(upload, parts.length + 1, part));
  }
  // An empty file is one empty part.
  if (parts.length === 0) parts.push(await send(upload, 1, new Uint8Array()));
  return parts;
}

/** Pieces of just that size, the last one smaller: each in the same buffer. */
async function* inParts(bytes: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(sizeBytes);
  let filled = 0;
  for await (const chunk of bytes) {
    for (let taken = 0; taken < chunk.length;) {
      const piece = chunk.subarray(taken, taken + sizeBytes - filled);
      buffer.set(piece, filled);
      filled += piece.length;
      taken += piece.length;
      if (filled < sizeBytes) continue;
      yield buffer;
      filled = 0;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}
