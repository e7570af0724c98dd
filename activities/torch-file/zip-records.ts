/**
 * @module The records of a zip archive of stored members: headers before each, directory and end behind all.
 *
 * Times are those of torch: none. Sizes and sums stand in the headers, so that nothing follows the data.
 */
export interface ZipMember {
  readonly name: string;
  readonly sizeBytes: number;
  readonly crc32: number;
  readonly headerOffset: number;
}

const ALIGNMENT = 64;
const SATURATED = 0xffffffff;
const MOST_ENTRIES = 0xffff;
/** Names are UTF-8. */
const FLAGS = 0x0800;
/** 1980-01-01, the first day that zip can tell. */
const DATE = 0x0021;
const VERSION = 20;
const VERSION_ZIP64 = 45;
const LOCAL_HEADER_BYTES = 30;
const FIELD_HEAD_BYTES = 4;

/** The header of a member whose data then begin at a multiple of 64 bytes: mapped into memory, they are aligned. */
export function localHeader({ name, sizeBytes, crc32, headerOffset }: ZipMember): Buffer {
  const nameBytes = Buffer.from(name);
  const isLarge = sizeBytes >= SATURATED;
  const wide = isLarge ? zip64Field([sizeBytes, sizeBytes]) : Buffer.alloc(0);
  const end = headerOffset + LOCAL_HEADER_BYTES + nameBytes.length + wide.length + FIELD_HEAD_BYTES;
  const fill = (ALIGNMENT - (end % ALIGNMENT)) % ALIGNMENT;
  const padding = Buffer.alloc(FIELD_HEAD_BYTES + fill, 'Z');
  padding.write('FB', 'latin1');
  padding.writeUInt16LE(fill, 2);
  const header = Buffer.alloc(LOCAL_HEADER_BYTES);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(isLarge ? VERSION_ZIP64 : VERSION, 4);
  header.writeUInt16LE(FLAGS, 6);
  header.writeUInt16LE(DATE, 12);
  header.writeUInt32LE(crc32, 14);
  header.writeUInt32LE(Math.min(sizeBytes, SATURATED), 18);
  header.writeUInt32LE(Math.min(sizeBytes, SATURATED), 22);
  header.writeUInt16LE(nameBytes.length, 26);
  header.writeUInt16LE(wide.length + padding.length, 28);
  return Buffer.concat([header, nameBytes, wide, padding]);
}

/** The directory and the end of an archive, to be written at the offset. */
export function directoryAndEnd(members: readonly ZipMember[], offset: number): Buffer {
  const directory = Buffer.concat(members.map(centralHeader));
  const needs64 = offset + directory.length >= SATURATED || members.length >= MOST_ENTRIES;
  const end64 = needs64 ? zip64End(members.length, directory.length, offset) : Buffer.alloc(0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(members.length, MOST_ENTRIES), 8);
  end.writeUInt16LE(Math.min(members.length, MOST_ENTRIES), 10);
  end.writeUInt32LE(Math.min(directory.length, SATURATED), 12);
  end.writeUInt32LE(Math.min(offset, SATURATED), 16);
  return Buffer.concat([directory, end64, end]);
}

function centralHeader({ name, sizeBytes, crc32, headerOffset }: ZipMember): Buffer {
  const nameBytes = Buffer.from(name);
  const isLarge = sizeBytes >= SATURATED;
  const isFar = headerOffset >= SATURATED;
  const wide = [...(isLarge ? [sizeBytes, sizeBytes] : []), ...(isFar ? [headerOffset] : [])];
  const extra = wide.length > 0 ? zip64Field(wide) : Buffer.alloc(0);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(extra.length > 0 ? VERSION_ZIP64 : VERSION, 4);
  header.writeUInt16LE(extra.length > 0 ? VERSION_ZIP64 : VERSION, 6);
  header.writeUInt16LE(FLAGS, 8);
  header.writeUInt16LE(DATE, 14);
  header.writeUInt32LE(crc32, 16);
  header.writeUInt32LE(Math.min(sizeBytes, SATURATED), 20);
  header.writeUInt32LE(Math.min(sizeBytes, SATURATED), 24);
  header.writeUInt16LE(nameBytes.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(Math.min(headerOffset, SATURATED), 42);
  return Buffer.concat([header, nameBytes, extra]);
}

function zip64Field(values: readonly number[]): Buffer {
  const field = Buffer.alloc(FIELD_HEAD_BYTES + 8 * values.length);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(8 * values.length, 2);
  values.forEach((value, index) => field.writeBigUInt64LE(BigInt(value), FIELD_HEAD_BYTES + 8 * index));
  return field;
}

/** The wide end and, behind it, the locator that leads to it. */
function zip64End(entryCount: number, directoryBytes: number, directoryOffset: number): Buffer {
  const end = Buffer.alloc(56 + 20);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE(VERSION_ZIP64, 12);
  end.writeUInt16LE(VERSION_ZIP64, 14);
  end.writeBigUInt64LE(BigInt(entryCount), 24);
  end.writeBigUInt64LE(BigInt(entryCount), 32);
  end.writeBigUInt64LE(BigInt(directoryBytes), 40);
  end.writeBigUInt64LE(BigInt(directoryOffset), 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(directoryOffset + directoryBytes), 64);
  end.writeUInt32LE(1, 72);
  return end;
}
