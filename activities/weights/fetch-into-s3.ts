/**
 * @module An artifact from where it is published into S3, proven before it can be seen.
 *
 * Order: record, parts, object, checksum of what S3 really has, manifest. A crash in between leaves a download that the
 * next call continues with, and never a manifest that refers to something unproven.
 */
import { readObject } from '../storage/schemas.ts';
import { downloadToS3 } from './download-to-s3.ts';
import { readDownloadRecord, type DownloadRecord } from './download-record.ts';
import { combine, FetchError } from './sources/fetch-error.ts';
import type { Expected, Fetching, FetchTools } from './fetching.ts';
import { isStored } from './find-prepared.ts';
import { artifactNames, manifestSchema, mustBeArtifactName, type ArtifactManifest } from './manifest.ts';
import { createRetrier, DEFAULT_RETRY_POLICY } from './retry-policy.ts';
import { createMeter, type FetchProgress } from './progress.ts';
import { mustAgree, prove } from './verify-download.ts';
import { publishManifest, type FoundManifest } from './publish-manifest.ts';
import type { Source } from './sources/parse-source.ts';
import type { ArtifactSource } from './sources/source.ts';
import { PART_SIZE_BYTES } from './upload-parts.ts';

export interface FetchRequest {
  readonly name: string;
  /** Mirrors of one file, tried in this order; one that a download was begun from goes first. */
  readonly sources: readonly Source[];
  readonly expected?: Expected;
  /** Looks into what S3 has, by the object's full key, before it can be seen. Throws FetchError for what must not be used. */
  readonly inspect?: (key: string) => Promise<void>;
}

export interface FetchResult {
  /** `reused`: S3 had it already, nothing was downloaded. */
  readonly outcome: 'reused' | 'fetched';
  readonly manifest: ArtifactManifest;
}

/**
 * Called again after any failure or crash, it continues where S3's list of parts ends.
 *
 * @throws FetchError; S3's own errors as they are; the signal's reason when it aborts.
 */
export async function fetchIntoS3(
  tools: FetchTools,
  { name, sources, expected = {}, inspect }: FetchRequest,
  signal: AbortSignal,
  onProgress: (progress: FetchProgress) => void,
): Promise<FetchResult> {
  mustBeArtifactName(name);
  const meter = createMeter(onProgress);
  const defaults = { retryPolicy: DEFAULT_RETRY_POLICY, partSizeBytes: PART_SIZE_BYTES };
  const fetching: Fetching = { ...defaults, ...tools, name, expected, inspect, signal, meter };

  const found = await readObject(tools.store, artifactNames.manifest(name), manifestSchema, signal);
  if (found !== undefined && (await isWanted(fetching, found.value))) {
    // A person may have vouched for it when it was downloaded, and no longer does.
    if (found.value.scanned !== true) await inspect?.(found.value.file.key);
    return { outcome: 'reused', manifest: found.value };
  }
  const record = await readDownloadRecord(tools.store, name, signal);
  const mirrors = sources.map((source) => tools.sources.of(source));
  return { outcome: 'fetched', manifest: await fromAny(fetching, mirrors, record, found) };
}

/** Its object is there, and has what is expected of it by now. */
async function isWanted(fetching: Fetching, { file }: ArtifactManifest): Promise<boolean> {
  const { sha256 = file.sha256, sizeBytes = file.sizeBytes } = fetching.expected;
  if (file.sha256 !== sha256.toLowerCase() || file.sizeBytes !== sizeBytes) return false;
  return isStored(fetching, file, fetching.signal);
}

async function fromAny(
  fetching: Fetching,
  mirrors: readonly ArtifactSource[],
  record: DownloadRecord | undefined,
  found: FoundManifest | undefined,
): Promise<ArtifactManifest> {
  const begunFirst = mirrors.toSorted(
    (one, other) => Number(other.address === record?.source) - Number(one.address === record?.source),
  );
  const failures: FetchError[] = [];
  for (const source of begunFirst) {
    try {
      return await fromOne(fetching, source, failures.length === 0 ? record : undefined, found);
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      failures.push(error);
      if (failures.length < mirrors.length) fetching.meter.note(`${error.message}: on to the next source`);
    }
  }
  throw combine(failures);
}

async function fromOne(
  fetching: Fetching,
  source: ArtifactSource,
  record: DownloadRecord | undefined,
  found: FoundManifest | undefined,
): Promise<ArtifactManifest> {
  const { meter, signal, expected } = fetching;
  const retrier = createRetrier(fetching.retryPolicy, (text) => meter.note(text));
  const version = await retrier.retry(() => source.describe(signal), signal);
  mustAgree(source, version, expected);
  const downloaded = await downloadToS3(
    fetching,
    { source, version, retrier },
    ownRecord(fetching, record, found),
  );
  const proven = await prove(fetching, { source, version, object: downloaded }, found?.value);
  await inspected(fetching, downloaded);
  return publishManifest(fetching, { source, version, ...proven }, found);
}

/** Leaves nothing of what must not be used: the same bytes would come again. */
async function inspected({ inspect, store, objects, name, signal }: Fetching, object: string): Promise<void> {
  try {
    await inspect?.(store.keyOf(object));
  } catch (error) {
    if (error instanceof FetchError) {
      await objects.remove(object, signal);
      await objects.remove(artifactNames.record(name), signal);
    }
    throw error;
  }
}

/** Never the file that the manifest refers to: what is wrong with a download must not cost what was proven. */
function ownRecord(
  { store }: Fetching,
  record: DownloadRecord | undefined,
  found: FoundManifest | undefined,
): DownloadRecord | undefined {
  if (record === undefined || store.keyOf(record.upload.name) === found?.value.file.key) return undefined;
  return record;
}
