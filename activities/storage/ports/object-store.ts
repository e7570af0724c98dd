/**
 * @module What the pipeline needs of an object store, below one bucket and prefix.
 */
import type { StoredFile } from '../../../contracts/checkpoints.ts';

/** A version of an object, for conditional writes. */
export type Version = string;

export type Condition = { readonly ifMatch: Version } | { readonly ifNoneMatch: '*' };

export interface ObjectStore {
  readonly bucket: string;
  /** Full key of a name below the prefix, for people and for artifacts. */
  keyOf(name: string): string;
  /**
   * Undefined where there is no such object. The text's meaning is the caller's to check.
   *
   * @throws UnreadableObject for one that is too large to be a text of ours; its bytes are not read.
   */
  readText(
    name: string,
    signal?: AbortSignal,
  ): Promise<{ readonly text: string; readonly version: Version } | undefined>;
  /** Writes small text; with a condition, says whether it was met. Aborted, it may have been written all the same. */
  writeText(
    name: string,
    text: string,
    condition?: Condition,
    signal?: AbortSignal,
  ): Promise<'written' | 'conflict'>;
  /**
   * Uploads a file, reading it once, and checks that S3 has as many bytes under its checksums. One that a dead worker
   * had begun is continued.
   *
   * @throws FileChanged when the file does not stay as it is.
   */
  upload(name: string, path: string, signal: AbortSignal, options?: UploadOptions): Promise<UploadedFile>;
  /**
   * Downloads to a temporary name, verifies size and checksum, renames; the disk may not have it yet. Leaves nothing when it fails.
   *
   * @throws WrongContent when the object is not what was promised.
   */
  download(
    file: Omit<StoredFile, 'key'> & { readonly fullKey: string },
    path: string,
    signal: AbortSignal,
    options?: TransferOptions,
  ): Promise<void>;
}

export interface TransferOptions {
  /** Told how many of the file's bytes are done so far. After a failure on the way they may become fewer. */
  readonly onProgress?: (bytes: number) => void;
}

export interface UploadOptions extends TransferOptions {
  /** Limits this upload; asked again and again, so that it may change. Undefined: no limit. */
  readonly bytesPerSecond?: () => number | undefined;
}

export interface UploadedFile {
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Eight lowercase hex digits. */
  readonly crc32: string;
}

/** The file is not the one any more that the upload began with. */
export class FileChanged extends Error {
  override readonly name = 'FileChanged';
}

/** Name below the store's prefix of a full key, as manifests have it; undefined for what lies elsewhere. */
export function nameOfKey(store: Pick<ObjectStore, 'keyOf'>, key: string): string | undefined {
  const prefix = store.keyOf('');
  return key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
}

/** The object is not the one that was promised. */
export class WrongContent extends Error {
  override readonly name = 'WrongContent';
}
