/**
 * @module Where a zip archive's directory is, which its last bytes say; and what a file is that has none.
 */
import { readBytes, type ByteSource } from './byte-source.ts';
import { TorchFileError } from './torch-file-error.ts';

export interface ZipEnd {
  readonly directoryOffset: number;
  readonly directoryBytes: number;
  readonly entryCount: number;
}

const END = 0x06054b50;
const END_BYTES = 22;
const END64 = 0x06064b50;
const END64_BYTES = 56;
const LOCATOR64 = 0x07064b50;
const LOCATOR64_BYTES = 20;
const LONGEST_COMMENT = 0xffff;
/** A member takes some 60 bytes of it. */
const LARGEST_DIRECTORY_BYTES = 16 << 20;
/** A model of ten thousand tensors with its optimizer has 30,000. */
const MOST_ENTRIES = 200_000;

/** @throws TorchFileError saying what the file is instead, and what to do about it. */
export async function findZipEnd(source: ByteSource, signal: AbortSignal): Promise<ZipEnd> {
  const tailBytes = Math.min(source.sizeBytes, LONGEST_COMMENT + END_BYTES);
  const tailOffset = source.sizeBytes - tailBytes;
  const tail = await readBytes(source, tailOffset, tailBytes, signal);
  const found = lastEnd(tail);
  if (found === undefined) throw await notAnArchive(source, signal);
  const endOffset = tailOffset + found;
  const end = (await readEnd64(source, endOffset, signal)) ?? {
    entryCount: tail.readUInt16LE(found + 10),
    directoryBytes: tail.readUInt32LE(found + 12),
    directoryOffset: tail.readUInt32LE(found + 16),
  };
  if (end.directoryOffset + end.directoryBytes > endOffset)
    throw new TorchFileError(`${source.name}: its zip directory does not lie within it: it is damaged`);
  if (end.directoryBytes > LARGEST_DIRECTORY_BYTES)
    throw new TorchFileError(
      `${source.name}: its zip directory has ${end.directoryBytes} bytes, which is too much`,
    );
  if (end.entryCount > MOST_ENTRIES)
    throw new TorchFileError(
      `${source.name}: its zip directory has ${end.entryCount} members, which is too much`,
    );
  return end;
}

/** Searched from the end, since a comment may follow it; its length must lead to the file's end. */
function lastEnd(tail: Buffer): number | undefined {
  for (let at = tail.length - END_BYTES; at >= 0; at -= 1) {
    const comment = tail.length - at - END_BYTES;
    if (tail.readUInt32LE(at) === END && tail.readUInt16LE(at + 20) === comment) return at;
  }
  return undefined;
}

/** torch writes the 64-bit end always, for small files too. */
async function readEnd64(
  source: ByteSource,
  endOffset: number,
  signal: AbortSignal,
): Promise<ZipEnd | undefined> {
  if (endOffset < LOCATOR64_BYTES + END64_BYTES) return undefined;
  const locator = await readBytes(source, endOffset - LOCATOR64_BYTES, LOCATOR64_BYTES, signal);
  if (locator.readUInt32LE(0) !== LOCATOR64) return undefined;
  const damaged = new TorchFileError(`${source.name}: the end of its zip directory is damaged`);
  const at = safe(locator.readBigUInt64LE(8), damaged);
  if (at + END64_BYTES > endOffset) throw damaged;
  const end = await readBytes(source, at, END64_BYTES, signal);
  if (end.readUInt32LE(0) !== END64) throw damaged;
  return {
    entryCount: safe(end.readBigUInt64LE(32), damaged),
    directoryBytes: safe(end.readBigUInt64LE(40), damaged),
    directoryOffset: safe(end.readBigUInt64LE(48), damaged),
  };
}

function safe(value: bigint, damaged: TorchFileError): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged;
  return Number(value);
}

const RE_SAVE =
  'save it again with a recent torch: torch.save(torch.load(f, map_location="cpu"), f), if you trust where it is from';

async function notAnArchive(source: ByteSource, signal: AbortSignal): Promise<TorchFileError> {
  const begin = await readBytes(source, 0, Math.min(source.sizeBytes, 512), signal);
  return new TorchFileError(`${source.name} ${diagnosis(begin)}`);
}

function diagnosis(begin: Buffer): string {
  if (begin.length === 0) return 'is empty';
  if (begin.toString('latin1', 0, 4) === 'PK\x03\x04')
    return 'is truncated: it begins as a torch file, but its directory, which stands at the end, is missing';
  // A pickled long, torch's magic number of old.
  if (begin.toString('hex', 0, 14).endsWith('8a0a6cfc9c46f9206aa85019'))
    return `was saved by a torch before 1.6 (or in its format); ${RE_SAVE}`;
  if (begin.toString('latin1', 257, 262) === 'ustar')
    return `is a tar file, as the first versions of torch saved; ${RE_SAVE}`;
  return 'is not a torch file: those are zip archives, and this is not one';
}
