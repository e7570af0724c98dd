/**
 * @module A stream of bytes into the parts of an upload, in order: one part travels while the next fills. Memory is two
 * parts, and so is what a crash makes the next process repeat.
 */
import type { MultipartUpload, MultipartUploads, StoredPart } from '../storage/multipart-uploads.ts';

/** Two of them are 16 MiB. S3 takes no less than 5 MiB but for the last. */
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
  /** What S3 has already; the bytes go on after it. */
  readonly stored: readonly StoredPart[];
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** @param send Puts one part, as often as it is worth it. */
export async function uploadParts(
  { upload, partSizeBytes, stored, bytes }: PartsInput,
  send: (
    upload: MultipartUpload,
    number: number,
    bytes: Uint8Array,
  ) => ReturnType<MultipartUploads['putPart']>,
): Promise<readonly StoredPart[]> {
  const parts = [...stored];
  let travelling: Promise<unknown> = Promise.resolve();
  let number = stored.length;
  const begin = async (part: Uint8Array) => {
    await travelling;
    number += 1;
    const sent = send(upload, number, part).then((answer) => parts.push(answer));
    // It is awaited before the next part, or at the end; until then its failure must not count as nobody's.
    sent.catch(() => undefined);
    travelling = sent;
  };
  try {
    for await (const part of inParts(bytes, partSizeBytes)) await begin(part);
    // An empty file is one empty part.
    if (number === 0) await begin(new Uint8Array());
    await travelling;
    return parts;
  } finally {
    await travelling.catch(() => undefined);
  }
}

/** Pieces of just that size, the last one smaller. Two buffers take turns: a piece is overwritten two pieces later. */
async function* inParts(bytes: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let [filling, resting] = [new Uint8Array(sizeBytes), new Uint8Array(sizeBytes)];
  let filled = 0;
  for await (const chunk of bytes) {
    for (let taken = 0; taken < chunk.length;) {
      const piece = chunk.subarray(taken, taken + sizeBytes - filled);
      filling.set(piece, filled);
      filled += piece.length;
      taken += piece.length;
      if (filled < sizeBytes) continue;
      yield filling;
      [filling, resting] = [resting, filling];
      filled = 0;
    }
  }
  if (filled > 0) yield filling.subarray(0, filled);
}
