/**
 * @module A torch file that is yet to be written: every byte of it is either known or a range of another checkpoint.
 *
 * So its size is known before the first byte is copied, and its directory too: the sums come from the other's directory
 * and are checked while the bytes pass.
 */
import { crc32 } from 'node:zlib';
import type { ByteSource } from './byte-source.ts';
import type { Storage, Tensor } from './checkpoint.ts';
import { pickleModel } from './pickle-writer.ts';
import { locateData, type ZipEntry } from './zip-directory.ts';
import { directoryAndEnd, localHeader, type ZipMember } from './zip-records.ts';

export interface TorchFile {
  readonly sizeBytes: number;
  /** Without gaps, from the first byte to the last. */
  readonly segments: readonly Segment[];
}

/** So many bytes of the file, from the offset on. */
export type Segment = {
  readonly offset: number;
  readonly sizeBytes: number;
} & (
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'copy';
      readonly source: ByteSource;
      readonly sourceOffset: number;
      readonly entry: ZipEntry;
    }
);

const FOLDER = 'archive';
/** Headers are read this many at a time: over S3 each takes a round trip. */
const LOOKUPS_AT_ONCE = 16;

/** `{"model": {name: tensor}}` with the storages that its tensors use, each once, in the tensors' order. */
export async function planTorchFile(tensors: readonly Tensor[], signal: AbortSignal): Promise<TorchFile> {
  const storages = [...new Set(tensors.map(({ storage }) => storage))];
  const keys = new Map(storages.map((storage, index) => [storage, String(index)]));
  const offsets = await locateAll(storages, signal);
  const layout = new Layout();
  layout.addBytes(
    'data.pkl',
    pickleModel(tensors, ({ storage }) => keys.get(storage) ?? ''),
  );
  layout.addBytes('byteorder', Buffer.from('little'));
  storages.forEach((storage, index) => layout.addCopy(`data/${index}`, storage, offsets[index] ?? 0));
  layout.addBytes('version', Buffer.from('3\n'));
  return layout.finish();
}

/** Where the storages' bytes begin in their own files. */
async function locateAll(storages: readonly Storage[], signal: AbortSignal): Promise<readonly number[]> {
  const offsets: number[] = [];
  for (let begin = 0; begin < storages.length; begin += LOOKUPS_AT_ONCE) {
    const some = storages.slice(begin, begin + LOOKUPS_AT_ONCE);
    offsets.push(...(await Promise.all(some.map(({ source, entry }) => locateData(source, entry, signal)))));
  }
  return offsets;
}

class Layout {
  private readonly segments: Segment[] = [];
  private readonly members: ZipMember[] = [];
  private offset = 0;

  addBytes(name: string, bytes: Uint8Array): void {
    this.addHeader(name, bytes.length, crc32(bytes));
    this.put(bytes);
  }

  addCopy(name: string, { source, entry }: Storage, sourceOffset: number): void {
    const { sizeBytes } = entry;
    this.addHeader(name, sizeBytes, entry.crc32);
    this.segments.push({ kind: 'copy', offset: this.offset, sizeBytes, source, sourceOffset, entry });
    this.offset += sizeBytes;
  }

  finish(): TorchFile {
    this.put(directoryAndEnd(this.members, this.offset));
    return { sizeBytes: this.offset, segments: this.segments };
  }

  private addHeader(name: string, sizeBytes: number, sum: number): void {
    const member = { name: `${FOLDER}/${name}`, sizeBytes, crc32: sum, headerOffset: this.offset };
    this.members.push(member);
    this.put(localHeader(member));
  }

  private put(bytes: Uint8Array): void {
    this.segments.push({ kind: 'bytes', offset: this.offset, sizeBytes: bytes.length, bytes });
    this.offset += bytes.length;
  }
}
