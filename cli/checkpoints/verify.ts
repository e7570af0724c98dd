/** @module `glee checkpoints verify`: reads checkpoints again, to the last byte, and compares their checksums. */
import pc from 'picocolors';
import { takeSnapshot } from '../../activities/checkpoints/snapshot.ts';
import type { Bucket } from '../../activities/storage/bucket.ts';
import { sha256OfObject } from '../../activities/storage/sha256-of-object.ts';
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import { print, printNote, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { sizeText } from '../../contracts/sizes.ts';
import { mustFind, refOf, stagesOf } from './stages.ts';

interface Verified {
  readonly checkpoint: string;
  readonly key: string;
  readonly expected: string;
  /** SHA-256 of what S3 has now; null when the file is gone. */
  readonly found: string | null;
}

export async function verify(of: string | undefined, options: OutputOptions): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const checkpoints = await chosen(bucket, of, signal);
    const sums = new Map<string, string | null>();
    const verified: Verified[] = [];
    for (const checkpoint of checkpoints) {
      const { key, sizeBytes, sha256 } = checkpoint.file;
      let found = sums.get(key);
      if (found === undefined) {
        printNote(`reading ${refOf(checkpoint)}, ${sizeText(sizeBytes)}`);
        found = (await sha256OfObject(bucket, key, signal)) ?? null;
        sums.set(key, found);
      }
      verified.push({ checkpoint: refOf(checkpoint), key, expected: sha256, found });
    }
    print(verified, options, render);
    if (verified.some(({ expected, found }) => expected !== found)) process.exitCode = 1;
  });
}

async function chosen(
  bucket: Bucket,
  of: string | undefined,
  signal: AbortSignal,
): Promise<readonly Checkpoint[]> {
  if (of?.includes('@') === true) return [await mustFind(bucket, of, signal)];
  const stages = await stagesOf(bucket, of, signal);
  const snapshots = await Promise.all(stages.map((stage) => takeSnapshot(bucket, stage, signal)));
  return snapshots.flatMap(({ checkpoints, head }) => {
    const newest = head?.checkpoint;
    const isListed = checkpoints.some(({ file }) => file.key === newest?.file.key);
    return newest === null || newest === undefined || isListed ? checkpoints : [...checkpoints, newest];
  });
}

function render(results: readonly Verified[]): string {
  if (results.length === 0) return 'no checkpoints in S3 yet';
  return results
    .map(({ checkpoint, key, expected, found }) => {
      if (found === expected) return `${pc.green('ok  ')}  ${checkpoint}  sha256 ${expected}`;
      const now = found === null ? `its file ${key} is gone` : `S3 has sha256 ${found}`;
      return `${pc.red('FAIL')}  ${checkpoint}: expected sha256 ${expected}, ${now}; a stage that would continue from it takes the one before`;
    })
    .join('\n');
}
