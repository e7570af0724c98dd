/** @module Torch files that no torch would write, put together from bytes; and bytes in memory as a source. */
import { crc32 } from 'node:zlib';
import type { ByteSource } from '../../../activities/torch-file/byte-source.ts';
import { TorchFileError } from '../../../activities/torch-file/torch-file-error.ts';
import { directoryAndEnd, localHeader, type ZipMember } from '../../../activities/torch-file/zip-records.ts';

export interface Member {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What the headers say instead of the true sum. */
  readonly crc32?: number;
}

/** A zip archive of stored members. */
export function zipOf(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const written: ZipMember[] = [];
  let offset = 0;
  for (const { name, bytes, crc32: sum = crc32(bytes) } of members) {
    const member = { name, sizeBytes: bytes.length, crc32: sum, headerOffset: offset };
    const header = localHeader(member);
    parts.push(header, Buffer.from(bytes));
    written.push(member);
    offset += header.length + bytes.length;
  }
  return Buffer.concat([...parts, directoryAndEnd(written, offset)]);
}

/** An archive with just this pickle, and what else is named below its folder. */
export function torchFileOf(pickle: Uint8Array, others: readonly Member[] = []): Buffer {
  const inFolder = others.map((member) => ({ ...member, name: `archive/${member.name}` }));
  return zipOf([{ name: 'archive/data.pkl', bytes: pickle }, ...inFolder]);
}

/** Latin-1 text, as pickles of protocol 0 are written; its other bytes as escapes. */
export function pickleOf(...parts: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
}

/** The operation for a text of any length. */
export function textOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(5);
  head.write('X', 'latin1');
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** `{"model": {"w": tensor}}` with one tensor of two float32 numbers, and other pairs beside it. */
export function smallCheckpoint(beside: Uint8Array = Buffer.alloc(0), crc?: number): Buffer {
  const pickle = pickleOf(
    '\x80\x02}(X\x05\0\0\0model}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n',
    '((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ',
    'K\0K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRs',
    beside,
    'u.',
  );
  const sum = crc === undefined ? {} : { crc32: crc };
  return zipOf([
    { name: 'archive/data.pkl', bytes: pickle, ...sum },
    { name: 'archive/data/0', bytes: new Uint8Array(new Float32Array([1, 2]).buffer), ...sum },
    { name: 'archive/version', bytes: Buffer.from('3\n'), ...sum },
  ]);
}

export function bytesSource(bytes: Buffer): ByteSource {
  return {
    name: 'bytes.pth',
    sizeBytes: bytes.length,
    readInto(target, offset) {
      if (offset + target.length > bytes.length)
        return Promise.reject(new TorchFileError('bytes.pth ends early'));
      target.set(bytes.subarray(offset, offset + target.length));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}
