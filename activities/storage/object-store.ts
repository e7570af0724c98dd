/**
 * @module What the pipeline needs of an object store, below one bucket and prefix.
 */
import type { StoredFile } from '../../contracts/checkpoints.ts';

/** A version of an object, for conditional writes. */
export type Version = string;

export type Condition = { readonly ifMatch: Version } | { readonly ifNoneMatch: '*' };

export interface ObjectStore {
  readonly bucket: string;
  /** Full key of a name below the prefix, for people and for artifacts. */
  keyOf(name: string): string;
  /** Undefined where there is no such object. The text's meaning is the caller's to check. */
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
  /** Uploads a file and checks that S3 has as many bytes under its checksums. */
  upload(name: string, path: string, signal: AbortSignal, options?: UploadOptions): Promise<UploadedFile>;
  /** Downloads to a temporary name, verifies size and SHA-256, fsyncs, renames. Throws WrongContent and leaves nothing otherwise. */
  download(
    file: Omit<StoredFile, 'key'> & { readonly fullKey: string },
    path: string,
    signal: AbortSignal,
    options?: Pick<UploadOptions, 'onProgress'>,
  ): Promise<void>;
}

export interface UploadOptions {
  /** Gets the bytes that S3 has so far. */
  readonly onProgress?: (bytes: number) => void;
  /** Limit in bytes a second, asked again and again; undefined for none. */
  readonly bytesPerSecond?: () => number | undefined;
}

/** What was read and sent. */
export type UploadedFile = Required<Omit<StoredFile, 'key'>>;

/** The object is not the one that was promised. */
export class WrongContent extends Error {
  override readonly name = 'WrongContent';
}
