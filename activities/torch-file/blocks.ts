/**
 * @module The bytes of a planned torch file, block by block: read ahead, and each copied member's sum checked.
 *
 * A block is filled by positioned reads straight into place, several blocks at a time, while the sums of the one before
 * are taken. Memory is a few blocks, whatever the file's size.
 */
import { crc32 } from 'node:zlib';
import { checkCrc } from './checkpoint.ts';
import type { Segment, TorchFile } from './torch-file.ts';

export interface Block {
  /** Where it belongs in the file. */
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Each is handed to other threads and back: smaller ones cost more of it (measured: at 1 MiB a fifth more CPU). */
export const BLOCK_BYTES = 4 << 20;
const BLOCKS_AHEAD = 4;

/** Part of a segment within a block. */
interface Piece {
  readonly segment: Segment;
  /** From the segment's begin. */
  readonly from: number;
  /** From the block's begin. */
  readonly at: number;
  readonly sizeBytes: number;
}

interface BlockPlan {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly pieces: readonly Piece[];
}

interface FilledBlock extends Block {
  readonly pieces: readonly Piece[];
}

/**
 * The file's blocks in order. Whoever leaves off ends the reads; whoever continues has at most five blocks read ahead.
 * @param takeBuffer gives BLOCK_BYTES to fill: by default new ones, which the consumer may keep.
 * @throws TorchFileError when a member's sum is not that of its directory: at the block where the member ends.
 */
export async function* readBlocks(
  file: TorchFile,
  signal: AbortSignal,
  takeBuffer: () => Buffer = () => Buffer.allocUnsafeSlow(BLOCK_BYTES),
): AsyncGenerator<Block, void, undefined> {
  const leftOff = new AbortController();
  const either = AbortSignal.any([signal, leftOff.signal]);
  const ahead: Promise<FilledBlock>[] = [];
  const checked = sumChecker();
  try {
    for (const plan of cutIntoBlocks(file)) {
      const filling = fill(plan, takeBuffer(), either);
      // A failure is told when its turn comes; until then it must not end the process.
      filling.catch(() => undefined);
      ahead.push(filling);
      const next = ahead.length > BLOCKS_AHEAD ? ahead.shift() : undefined;
      if (next !== undefined) yield checked(await next);
    }
    for (const next of ahead) yield checked(await next);
  } finally {
    leftOff.abort();
    await Promise.allSettled(ahead);
  }
}

function* cutIntoBlocks({ segments, sizeBytes }: TorchFile): Generator<BlockPlan> {
  let [offset, at] = [0, 0];
  let pieces: Piece[] = [];
  for (const segment of segments) {
    let from = 0;
    // Once for empty members too: their sums are checked as all others.
    do {
      const length = Math.min(segment.sizeBytes - from, BLOCK_BYTES - at);
      pieces.push({ segment, from, at, sizeBytes: length });
      [from, at] = [from + length, at + length];
      if (at < BLOCK_BYTES) continue;
      yield { offset, sizeBytes: at, pieces };
      [offset, at, pieces] = [offset + at, 0, []];
    } while (from < segment.sizeBytes);
  }
  if (offset < sizeBytes) yield { offset, sizeBytes: at, pieces };
}

async function fill({ offset, sizeBytes, pieces }: BlockPlan, buffer: Buffer, signal: AbortSignal) {
  const bytes = buffer.subarray(0, sizeBytes);
  const reads = pieces.map(async ({ segment, from, at, sizeBytes: length }) => {
    const target = bytes.subarray(at, at + length);
    if (segment.kind === 'bytes') target.set(segment.bytes.subarray(from, from + length));
    else if (length > 0) await segment.source.readInto(target, segment.sourceOffset + from, signal);
  });
  // All of them, also when one fails: nothing may write into a buffer that is used again.
  const settled = await Promise.allSettled(reads);
  const failed = settled.find((read) => read.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return { offset, bytes, pieces };
}

/** Carries a member's sum on from block to block. */
function sumChecker(): (block: FilledBlock) => Block {
  let sum = 0;
  return ({ offset, bytes, pieces }) => {
    for (const { segment, from, at, sizeBytes } of pieces) {
      if (segment.kind === 'bytes') continue;
      sum = crc32(bytes.subarray(at, at + sizeBytes), from === 0 ? 0 : sum);
      if (from + sizeBytes === segment.sizeBytes) checkCrc(segment.source, segment.entry, sum);
    }
    return { offset, bytes };
  };
}
