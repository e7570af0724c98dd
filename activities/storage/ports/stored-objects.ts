/** @module Objects of any size, read as streams and removed. Names are below one bucket and prefix. */
import type { Version } from './object-store.ts';

export interface StoredObject {
  readonly name: string;
  readonly sizeBytes: number;
  /** Epoch milliseconds on S3's clock. */
  readonly modifiedAt: number;
}

export interface FoundObject {
  readonly sizeBytes: number;
  readonly version: Version;
  /** As it was stored, where it was: the bytes are not the file's own. */
  readonly contentEncoding?: string;
}

export interface StoredObjects {
  /** Undefined where there is no such object. */
  find(name: string, signal: AbortSignal): Promise<FoundObject | undefined>;
  /** The bytes of just that version from an offset on, which must be below its size. Throws PreconditionFailed on another version. */
  read(
    name: string,
    from: { readonly offset: number; readonly version: Version },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
  /** What lies directly in a folder, whose name is '' or ends with '/': names of objects and, ending with '/', of folders. */
  list(folder: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Every object below a folder, however deep. */
  listAll(folder: string, signal: AbortSignal): Promise<readonly StoredObject[]>;
  /** Also fine when there is no such object. */
  remove(name: string, signal: AbortSignal): Promise<void>;
}
