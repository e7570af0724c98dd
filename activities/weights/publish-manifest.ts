/** @module The last step of a download: the conditional write that makes the artifact visible. */
import type { StoredFile } from '../../contracts/checkpoints.ts';
import { nameOfKey, type Version } from '../storage/ports/object-store.ts';
import { readObject } from '../storage/schemas.ts';
import type { Proof } from '../../contracts/weights.ts';
import { FetchError } from './sources/fetch-error.ts';
import type { Fetching } from './fetching.ts';
import { artifactNames, manifestSchema, type ArtifactManifest } from './manifest.ts';
import type { ArtifactSource, FileVersion } from './sources/source.ts';

export interface FoundManifest {
  readonly value: ArtifactManifest;
  readonly version: Version;
}

interface Proven {
  readonly source: ArtifactSource;
  readonly version: FileVersion;
  readonly file: StoredFile;
  readonly proof: Proof;
}

/**
 * @param found The manifest that this one replaces, if there was one.
 * @throws FetchError `sourceChanged` when someone published other bytes under the name meanwhile.
 */
export async function publishManifest(
  { store, objects, name, inspect, signal }: Fetching,
  { source, version, file, proof }: Proven,
  found: FoundManifest | undefined,
): Promise<ArtifactManifest> {
  const validator = version.validator ?? null;
  const facts = { name, file, source: source.address, validator, proof };
  const manifest = { ...facts, ...(inspect && { scanned: true as const }), fetchedAt: Date.now() };
  const condition = found === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: found.version };
  const text = JSON.stringify(manifest, undefined, 2);
  const written = await store.writeText(artifactNames.manifest(name), text, condition, signal);
  // Either our own write, whose answer was lost, or another process that fetched the same at the same time.
  const visible = written === 'written' ? manifest : await winnerOf(store, name, signal);
  if (visible?.file.sha256 !== file.sha256) {
    const theirs = visible?.file.sha256 ?? 'nothing';
    throw new FetchError(
      'sourceChanged',
      `another process published '${name}' with sha256 ${theirs} while ${source.address} gave ${file.sha256}`,
    );
  }
  const own = nameOfKey(store, file.key);
  if (visible.file.key !== file.key && own !== undefined) await objects.remove(own, signal);
  await objects.remove(artifactNames.record(name), signal);
  return visible;
}

async function winnerOf(
  store: Fetching['store'],
  name: string,
  signal: AbortSignal,
): Promise<ArtifactManifest | undefined> {
  return (await readObject(store, artifactNames.manifest(name), manifestSchema, signal))?.value;
}
