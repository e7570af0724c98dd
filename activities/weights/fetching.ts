/** @module What a download works with, and what the steps of one call share. */
import type { MultipartUploads } from '../storage/ports/multipart-uploads.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import type { StoredObjects } from '../storage/ports/stored-objects.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { Meter } from './progress.ts';
import type { Sources } from './sources/open-source.ts';

export interface FetchTools {
  readonly store: ObjectStore;
  readonly uploads: MultipartUploads;
  readonly objects: StoredObjects;
  readonly sources: Sources;
  readonly retryPolicy?: RetryPolicy;
  /** @default 8 MiB */
  readonly partSizeBytes?: number;
}

/** What the catalogue says of a file. */
export interface Expected {
  /** In hex. */
  readonly sha256?: string;
  readonly sizeBytes?: number;
}

/** What the steps of one call share. */
export interface Fetching extends Required<FetchTools> {
  readonly name: string;
  readonly expected: Expected;
  readonly inspect: ((key: string) => Promise<void>) | undefined;
  readonly signal: AbortSignal;
  readonly meter: Meter;
}
