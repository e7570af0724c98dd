/** @module What S3 really has of an object, read to the last byte. */
import { createHash } from 'node:crypto';
import type { Bucket } from './bucket.ts';
import { nameOfKey } from './ports/object-store.ts';

/** SHA-256 in hex; undefined where there is no such object. */
export async function sha256OfObject(
  { store, objects }: Pick<Bucket, 'store' | 'objects'>,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const name = nameOfKey(store, key);
  const stored = name === undefined ? undefined : await objects.find(name, signal);
  if (name === undefined || stored === undefined) return undefined;
  const hash = createHash('sha256');
  if (stored.sizeBytes > 0) {
    const from = { offset: 0, version: stored.version };
    for await (const chunk of await objects.read(name, from, signal)) hash.update(chunk);
  }
  return hash.digest('hex');
}
