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
  upload(name: string, path: string, signal: AbortSignal): Promise<void>;
  /** Downloads to a temporary name, verifies size and SHA-256, fsyncs, renames. Throws WrongContent and leaves nothing otherwise. */
  download(
    file: Omit<StoredFile, 'key'> & { readonly fullKey: string },
    path: string,
    signal: AbortSignal,
  ): Promise<void>;
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
