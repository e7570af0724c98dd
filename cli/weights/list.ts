/**
 * @module `glee weights list`: which artifacts S3 holds, which hosts have them, and which runs use them.
 */
import Table from 'cli-table3';
import { z } from 'zod';
import { planSchema, readObject } from '../../activities/storage/schemas.ts';
import type { ArtifactManifest } from '../../activities/weights/manifest.ts';
import { keys } from '../../contracts/ids.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import type { Bucket } from '../../activities/storage/bucket.ts';
import { listManifests, withBucket } from '../shared/open-bucket.ts';
import { sizeText } from '../../contracts/sizes.ts';

interface Listed extends ArtifactManifest {
  readonly hosts: readonly string[];
  readonly runs: readonly string[];
}

const hostCacheSchema = z.object({ host: z.string(), weights: z.array(z.object({ sha256: z.string() })) });

export async function list(options: OutputOptions): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const [manifests, caches, plans] = await Promise.all([
      listManifests(bucket, signal),
      readAll(bucket, 'hosts/', keys.hostCache, hostCacheSchema, signal),
      readAll(bucket, 'runs/', keys.plan, planSchema, signal),
    ]);
    const artifacts = manifests.map((manifest) => ({
      ...manifest,
      hosts: caches
        .filter(({ weights }) => weights.some(({ sha256 }) => sha256 === manifest.file.sha256))
        .map(({ host }) => host),
      runs: plans
        .filter((plan) => plan.artifacts?.some(({ name }) => name === manifest.name) === true)
        .map(({ run }) => run),
    }));
    print(artifacts, options, render);
  });
}

/** Reads one object of each folder below another; those that another version of this project wrote are passed over. */
async function readAll<T>(
  { store, objects }: Bucket,
  folder: string,
  nameOf: (name: string) => string,
  schema: z.ZodType<T>,
  signal: AbortSignal,
): Promise<readonly T[]> {
  const names = (await objects.list(folder, signal)).filter((name) => name.endsWith('/'));
  const found = await Promise.all(
    names.map((name) =>
      readObject(store, nameOf(name.slice(folder.length, -1)), schema, signal).catch(() => undefined),
    ),
  );
  return found.flatMap((object) => (object === undefined ? [] : [object.value]));
}

function render(artifacts: readonly Listed[]): string {
  if (artifacts.length === 0)
    return 'no artifacts in S3 yet: a run brings what it needs, and so does `glee weights fetch`';
  const rows = new Table({
    head: ['artifact', 'size', 'sha256', 'proof', 'from', 'on hosts', 'used by'],
    style: { head: [], border: [] },
  });
  for (const { name, file, proof, source, hosts, runs } of artifacts) {
    rows.push([
      name,
      sizeText(file.sizeBytes),
      file.sha256.slice(0, 12),
      proof,
      source,
      hosts.join(', '),
      runs.join(', '),
    ]);
  }
  return rows.toString();
}
