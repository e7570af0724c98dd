/**
 * @module `glee weights verify`: reads artifacts in S3 again, to the last byte, and compares their checksums.
 */
import pc from 'picocolors';
import { sha256OfObject } from '../../activities/storage/sha256-of-object.ts';
import { UserError } from '../shared/errors.ts';
import { print, printNote, type OutputOptions } from '../shared/output.ts';
import { listManifests, withBucket } from '../shared/open-bucket.ts';
import { sizeText } from '../../contracts/sizes.ts';

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
    for (const { name, file } of wanted) {
      printNote(`reading ${name}, ${sizeText(file.sizeBytes)}`);
      const found = (await sha256OfObject(bucket, file.key, signal)) ?? null;
      verified.push({ name, sizeBytes: file.sizeBytes, expected: file.sha256, found });
    }
    print(verified, options, render);
    if (verified.some(({ expected, found }) => expected !== found)) process.exitCode = 1;
  });
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
