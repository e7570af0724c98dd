/**
 * @module The directory of a zip archive as torch writes it: stored members, nothing compressed, ZIP64 where it must.
 *
 * Every number in it is checked before it is used: a file from the internet may say anything. The layout is PKWARE's
 * APPNOTE 6.3.
 */
import { readBytes, type ByteSource } from './byte-source.ts';
import { findZipEnd } from './zip-end.ts';
import { shortName, TorchFileError } from './torch-file-error.ts';

export interface ZipEntry {
  readonly name: string;
  readonly headerOffset: number;
  readonly sizeBytes: number;
  readonly crc32: number;
}

const CENTRAL_HEADER = 0x02014b50;
const CENTRAL_HEADER_BYTES = 46;
const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
const ENCRYPTED = 1;
const SATURATED = 0xffffffff;
const ZIP64_FIELD = 1;
const LONGEST_NAME_BYTES = 1024;

/**
 * All members by name, in the archive's order.
 * @throws TorchFileError when it is no such archive, is truncated, or contradicts itself.
 */
export async function readZipDirectory(
  source: ByteSource,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ZipEntry>> {
  const { directoryOffset, directoryBytes, entryCount } = await findZipEnd(source, signal);
  const directory = await readBytes(source, directoryOffset, directoryBytes, signal);
  const damaged = (what: string) =>
    new TorchFileError(`${source.name}: the zip directory is damaged: ${what}`);
  const entries = new Map<string, ZipEntry>();
  let position = 0;
  while (position < directory.length) {
    const parsed = parseCentralHeader(directory, position);
    if (typeof parsed === 'string') throw damaged(parsed);
    if (entries.has(parsed.entry.name)) throw damaged(`it has ${shortName(parsed.entry.name)} twice`);
    entries.set(parsed.entry.name, parsed.entry);
    if (entries.size > entryCount) throw damaged(`it has more members than the ${entryCount} that it states`);
    position = parsed.end;
  }
  if (entries.size !== entryCount) throw damaged(`it has ${entries.size} members of ${entryCount}`);
  const overlap = findOverlap([...entries.values()], directoryOffset);
  if (overlap !== undefined) throw damaged(`${shortName(overlap)} reaches into what comes after it`);
  return entries;
}

/** Where a member's data begin: behind its own header, which torch pads so that they are aligned. */
export async function locateData(source: ByteSource, entry: ZipEntry, signal: AbortSignal): Promise<number> {
  const { name, headerOffset } = entry;
  const nameBytes = Buffer.from(name);
  const header = await readBytes(source, headerOffset, LOCAL_HEADER_BYTES + nameBytes.length, signal);
  const fits =
    header.readUInt32LE(0) === LOCAL_HEADER &&
    header.readUInt16LE(26) === nameBytes.length &&
    nameBytes.equals(header.subarray(LOCAL_HEADER_BYTES));
  const offset = headerOffset + LOCAL_HEADER_BYTES + nameBytes.length + header.readUInt16LE(28);
  if (fits && offset + entry.sizeBytes <= source.sizeBytes) return offset;
  throw new TorchFileError(
    `${source.name}: the header of ${shortName(name)} is damaged: it does not fit the zip directory`,
  );
}

/** The member and where the next header begins, or what is wrong. */
function parseCentralHeader(
  directory: Buffer,
  position: number,
): { readonly entry: ZipEntry; readonly end: number } | string {
  if (position + CENTRAL_HEADER_BYTES > directory.length) return 'it ends within a header';
  if (directory.readUInt32LE(position) !== CENTRAL_HEADER) return `no header at its byte ${position}`;
  const nameEnd = position + CENTRAL_HEADER_BYTES + directory.readUInt16LE(position + 28);
  const extraEnd = nameEnd + directory.readUInt16LE(position + 30);
  const end = extraEnd + directory.readUInt16LE(position + 32);
  if (end > directory.length) return 'it ends within a name';
  if (nameEnd - position - CENTRAL_HEADER_BYTES > LONGEST_NAME_BYTES) return 'a name is too long';
  const name = directory.toString('utf8', position + CENTRAL_HEADER_BYTES, nameEnd);
  if ((directory.readUInt16LE(position + 8) & ENCRYPTED) !== 0) return `${shortName(name)} is encrypted`;
  if (directory.readUInt16LE(position + 10) !== 0)
    return `${shortName(name)} is compressed, which torch never does`;
  const numbers = [24, 20, 42].map((field) => directory.readUInt32LE(position + field));
  const [sizeBytes, storedBytes, headerOffset] = widen(numbers, directory.subarray(nameEnd, extraEnd));
  if (sizeBytes === undefined || storedBytes === undefined || headerOffset === undefined)
    return `the sizes of ${shortName(name)} cannot be read`;
  if (sizeBytes !== storedBytes) return `${shortName(name)} has two sizes`;
  return { entry: { name, headerOffset, sizeBytes, crc32: directory.readUInt32LE(position + 16) }, end };
}

/** Saturated numbers stand in the ZIP64 field, in the same order; undefined where they do not. */
function widen(numbers: readonly number[], extra: Buffer): readonly (number | undefined)[] {
  const wide = numbers.includes(SATURATED) ? findZip64Field(extra) : undefined;
  let position = 0;
  return numbers.map((number) => {
    if (number !== SATURATED) return number;
    if (wide === undefined || position + 8 > wide.length) return undefined;
    const value = Number(wide.readBigUInt64LE(position));
    position += 8;
    return Number.isSafeInteger(value) ? value : undefined;
  });
}

function findZip64Field(extra: Buffer): Buffer | undefined {
  let position = 0;
  while (position + 4 <= extra.length) {
    const end = position + 4 + extra.readUInt16LE(position + 2);
    if (extra.readUInt16LE(position) === ZIP64_FIELD) return extra.subarray(position + 4, end);
    position = end;
  }
  return undefined;
}

/** Members that share bytes would let a small file become a huge one. */
function findOverlap(entries: readonly ZipEntry[], directoryOffset: number): string | undefined {
  const ordered = entries.toSorted((a, b) => a.headerOffset - b.headerOffset);
  return ordered.find(({ headerOffset, sizeBytes }, index) => {
    const next = ordered[index + 1]?.headerOffset ?? directoryOffset;
    return headerOffset + LOCAL_HEADER_BYTES + sizeBytes > next;
  })?.name;
}
