/** @module The proof that what S3 has is the file that was meant. */
import { createHash } from 'node:crypto';
import type { StoredFile } from '../../contracts/checkpoints.ts';
import type { Proof } from '../../contracts/weights.ts';
import { FetchError } from './sources/fetch-error.ts';
import type { Expected, Fetching } from './fetching.ts';
import { artifactNames, type ArtifactManifest } from './manifest.ts';
import { createRetrier } from './retry-policy.ts';
import type { ArtifactSource, FileVersion } from './sources/source.ts';
import { storedObject } from './sources/stored-object.ts';
import { steadyBytes } from './steady-bytes.ts';

/**
 * Compares what a source says of its file with the catalogue, before anything is downloaded.
 *
 * @throws FetchError `wrongContent`
 */
export function mustAgree({ address }: ArtifactSource, version: FileVersion, expected: Expected): void {
  const wrong = (says: string, wants: string) =>
    new FetchError('wrongContent', `${address} ${says}, the catalogue expects ${wants}`);
  const { sizeBytes, publishedSha256 } = version;
  if (sizeBytes !== undefined && expected.sizeBytes !== undefined && sizeBytes !== expected.sizeBytes) {
    throw wrong(`has ${sizeBytes} bytes`, String(expected.sizeBytes));
  }
  const sha256 = expected.sha256?.toLowerCase();
  if (publishedSha256 !== undefined && sha256 !== undefined && publishedSha256 !== sha256) {
    throw wrong(`is published with sha256 ${publishedSha256}`, sha256);
  }
}

export interface ProveInput {
  readonly source: ArtifactSource;
  readonly version: FileVersion;
  /** Name of the object that was downloaded. */
  readonly object: string;
}

/**
 * Reads back what S3 has and compares. The object is gone when it is wrong, and so is the record of its download.
 *
 * @throws FetchError `wrongContent`, or `sourceChanged` where only the pin tells.
 */
export async function prove(
  fetching: Fetching,
  { source, version, object }: ProveInput,
  pinned: ArtifactManifest | undefined,
): Promise<{ readonly file: StoredFile; readonly proof: Proof }> {
  const { expected, objects, store, name, signal } = fetching;
  const stored = await hashStored(fetching, object);
  const promisedBytes = expected.sizeBytes ?? version.sizeBytes;
  const { proof, sha256 } = strongestPromise(expected, version, pinned);
  const problem =
    promisedBytes !== undefined && stored.sizeBytes !== promisedBytes
      ? `${promisedBytes} bytes were promised, ${stored.sizeBytes} came`
      : sha256 !== undefined && stored.sha256 !== sha256
        ? `sha256 ${sha256} ${PROMISED[proof]}, ${stored.sha256} came`
        : undefined;
  if (problem === undefined) return { file: { key: store.keyOf(object), ...stored }, proof };

  await objects.remove(object, signal);
  await objects.remove(artifactNames.record(name), signal);
  const kind = proof === 'pinned' && sha256 !== undefined ? 'sourceChanged' : 'wrongContent';
  throw new FetchError(kind, `${source.address} does not give '${name}': ${problem}`);
}

const PROMISED: Readonly<Record<Proof, string>> = {
  catalogue: 'stands in the catalogue',
  published: 'is published',
  pinned: 'was pinned by the first download',
  made: 'was made here',
};

function strongestPromise(
  expected: Expected,
  version: FileVersion,
  pinned: ArtifactManifest | undefined,
): { readonly proof: Proof; readonly sha256?: string } {
  if (expected.sha256 !== undefined) return { proof: 'catalogue', sha256: expected.sha256.toLowerCase() };
  if (version.publishedSha256 !== undefined) return { proof: 'published', sha256: version.publishedSha256 };
  return { proof: 'pinned', ...(pinned !== undefined && { sha256: pinned.file.sha256 }) };
}

async function hashStored(
  { objects, store, meter, signal, ...fetching }: Fetching,
  object: string,
): Promise<{ readonly sha256: string; readonly sizeBytes: number }> {
  const retrier = createRetrier(fetching.retryPolicy, (text) => meter.note(text));
  const stored = storedObject(objects, object, `s3://${store.bucket}/${store.keyOf(object)}`);
  const version = await retrier.retry(() => stored.describe(signal), signal);
  meter.start(0, version.sizeBytes, 'checking what S3 has');
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of steadyBytes(stored, version, 0, retrier, signal)) {
    hash.update(chunk);
    sizeBytes += chunk.length;
    meter.at(sizeBytes);
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}
