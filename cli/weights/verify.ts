/**
 * @module `glee weights verify`: reads artifacts in S3 again, to the last byte, and compares their checksums.
 */
import { createHash } from 'node:crypto';
import pc from 'picocolors';
import { nameOfKey } from '../../activities/storage/object-store.ts';
import type { ArtifactManifest } from '../../activities/weights/manifest.ts';
import { UserError } from '../errors.ts';
import { print, type OutputOptions } from '../output.ts';
import { listManifests, withBucket, type Bucket } from './bucket.ts';
import { sizeText } from './sizes.ts';

interface Verified {
  readonly name: string;
  readonly sizeBytes: number;
  readonly expected: string;
  /** SHA-256 of what S3 has now; null when the object is gone. */
  readonly found: string | null;
}

/** @param names Which; none for all. */
export async function verify(names: readonly string[], options: OutputOptions): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const manifests = await listManifests(bucket, signal);
    const unknown = names.find((name) => manifests.every((manifest) => manifest.name !== name));
    if (unknown !== undefined) {
      const known = manifests.map(({ name }) => name).join(', ');
      throw new UserError(`S3 has no artifact '${unknown}'; it has ${known === '' ? 'none' : known}`);
    }
    const wanted = manifests.filter(({ name }) => names.length === 0 || names.includes(name));
    const verified: Verified[] = [];
    for (const manifest of wanted) {
      process.stderr.write(`reading ${manifest.name}, ${sizeText(manifest.file.sizeBytes)}\n`);
      verified.push(await hashAgain(bucket, manifest, signal));
    }
    print(verified, options, render);
    if (verified.some(({ expected, found }) => expected !== found)) process.exitCode = 1;
  });
}

async function hashAgain(
  { store, objects }: Bucket,
  { name, file }: ArtifactManifest,
  signal: AbortSignal,
): Promise<Verified> {
  const result = { name, sizeBytes: file.sizeBytes, expected: file.sha256 };
  const object = nameOfKey(store, file.key);
  const stored = object === undefined ? undefined : await objects.find(object, signal);
  if (object === undefined || stored === undefined) return { ...result, found: null };
  const hash = createHash('sha256');
  const from = { offset: 0, version: stored.version };
  for await (const chunk of await objects.read(object, from, signal)) hash.update(chunk);
  return { ...result, found: hash.digest('hex') };
}

function render(results: readonly Verified[]): string {
  return results
    .map(({ name, expected, found }) => {
      if (found === expected) return `${pc.green('ok  ')}  ${name}  sha256 ${expected}`;
      const now = found === null ? 'its object is gone' : `S3 has sha256 ${found}`;
      return `${pc.red('FAIL')}  ${name}: expected sha256 ${expected}, ${now}; 'glee weights fetch ${name}' brings it again once the manifest artifacts/${name}.json is deleted`;
    })
    .join('\n');
}
