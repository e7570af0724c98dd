/**
 * @module What lies below artifacts/ and nothing refers to. Only looks; `prune.ts` removes.
 */
import type { MultipartUpload } from '../../activities/storage/ports/multipart-uploads.ts';
import { artifactNames, type ArtifactManifest } from '../../activities/weights/manifest.ts';
import type { Bucket } from '../../activities/storage/bucket.ts';
import type { References } from './references.ts';

/** In which it is removed: a crash in between leaves only what the next look finds. */
const ORDER = ['manifest', 'download record', 'upload', 'object'] as const;

export interface Garbage {
  readonly artifact: string;
  readonly what: (typeof ORDER)[number];
  /** Below the bucket's prefix. */
  readonly object: string;
  readonly sizeBytes: number;
  /** Of an upload that was never completed. */
  readonly uploadId?: string;
}

/** Artifacts that no run's plan names, brought before a time. */
export function unusedManifests(
  manifests: readonly ArtifactManifest[],
  { strings }: References,
  beforeMs: number,
): readonly ArtifactManifest[] {
  return manifests.filter(
    ({ name, file, fetchedAt }) => fetchedAt < beforeMs && !strings.has(name) && !strings.has(file.key),
  );
}

/** Names of all that has something in a folder below artifacts/. */
export async function artifactFolders({ objects, uploads }: Bucket, signal: AbortSignal): Promise<string[]> {
  const [listed, begun] = await Promise.all([
    objects.list('artifacts/', signal),
    uploads.list('artifacts/', signal),
  ]);
  const names = [...listed.filter((name) => name.endsWith('/')), ...begun.map(({ name }) => name)];
  return [...new Set(names.map((name) => name.split('/')[1] ?? ''))].filter(Boolean).sort();
}

/**
 * What an artifact has below artifacts/ that is no one's, provided that its workflow does not run.
 * @param keep Full keys that something refers to.
 */
export async function garbageOf(
  { store, objects, uploads }: Bucket,
  artifact: string,
  keep: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly Garbage[]> {
  const folder = artifactNames.folder(artifact);
  const begun = await uploads.list(folder, signal);
  const names = [artifactNames.manifest(artifact), ...(await namesBelow(objects, folder, signal))];
  const left = names.filter((name) => !keep.has(store.keyOf(name)));
  const found = await Promise.all([
    ...left.map(async (object): Promise<Garbage[]> => {
      const there = await objects.find(object, signal);
      return there === undefined
        ? []
        : [{ artifact, what: kindOf(artifact, object), object, sizeBytes: there.sizeBytes }];
    }),
    ...begun.map(async (upload): Promise<Garbage[]> => {
      const sizeBytes = await sizeOfParts(uploads, upload, signal);
      return [{ artifact, what: 'upload', object: upload.name, sizeBytes, uploadId: upload.uploadId }];
    }),
  ]);
  return found.flat().toSorted((one, other) => ORDER.indexOf(one.what) - ORDER.indexOf(other.what));
}

function kindOf(artifact: string, object: string): Garbage['what'] {
  if (object === artifactNames.manifest(artifact)) return 'manifest';
  return object === artifactNames.record(artifact) ? 'download record' : 'object';
}

async function namesBelow(
  objects: Bucket['objects'],
  folder: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const names = await objects.list(folder, signal);
  const folders = names.filter((name) => name.endsWith('/') && name !== folder);
  const below = await Promise.all(folders.map((name) => namesBelow(objects, name, signal)));
  return [...names.filter((name) => !name.endsWith('/')), ...below.flat()];
}

async function sizeOfParts(
  uploads: Bucket['uploads'],
  upload: MultipartUpload,
  signal: AbortSignal,
): Promise<number> {
  const parts = (await uploads.listParts(upload, signal)) ?? [];
  return parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
