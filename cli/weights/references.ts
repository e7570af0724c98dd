/**
 * @module What the runs in S3 refer to: by whatever version a plan or result was written, a key or a name in it counts.
 */
import { keys } from '../../contracts/ids.ts';
import type { Bucket } from '../../activities/storage/bucket.ts';

export interface References {
  /** Every string in a run's plan and in its stages' results. */
  readonly strings: ReadonlySet<string>;
  readonly runs: readonly { readonly run: string; readonly strings: ReadonlySet<string> }[];
}

export async function readReferences(bucket: Bucket, signal: AbortSignal): Promise<References> {
  const folders = await foldersIn(bucket, 'runs/', signal);
  const runs = await Promise.all(
    folders.map(async (folder) => {
      const run = folder.slice('runs/'.length, -1);
      const stages = await foldersIn(bucket, folder, signal);
      const names = [
        keys.plan(run),
        ...stages.map((stage) => keys.result(run, stage.slice(folder.length, -1))),
      ];
      const found = await Promise.all(names.map((name) => stringsOf(bucket, name, signal)));
      return { run, strings: new Set(found.flat()) };
    }),
  );
  return { runs, strings: new Set(runs.flatMap(({ strings }) => [...strings])) };
}

async function foldersIn(
  { objects }: Bucket,
  folder: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  return (await objects.list(folder, signal)).filter((name) => name.endsWith('/'));
}

/** @throws when the object is no JSON: what it refers to is not known then, and nothing may be removed. */
async function stringsOf({ store }: Bucket, name: string, signal: AbortSignal): Promise<readonly string[]> {
  const found = await store.readText(name, signal);
  if (found === undefined) return [];
  const strings: string[] = [];
  try {
    JSON.parse(found.text, (_key, value: unknown) => {
      if (typeof value === 'string') strings.push(value);
      return value;
    });
  } catch (cause) {
    throw new Error(`${store.keyOf(name)} is not JSON: what it refers to is not known`, { cause });
  }
  return strings;
}
