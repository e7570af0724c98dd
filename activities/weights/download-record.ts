/**
 * @module What a later process needs to continue with a download: written before the first part is sent, and never the only
 * word on how far it got, which S3's own list of parts is.
 */
import { z } from 'zod';
import type { MultipartUpload } from '../storage/ports/multipart-uploads.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import { artifactNames } from './manifest.ts';
import type { FileVersion } from './sources/source.ts';

export interface DownloadRecord {
  /** Address for people, free of credentials. */
  readonly source: string;
  readonly validator: string | null;
  readonly sizeBytes: number | null;
  readonly partSizeBytes: number;
  readonly upload: MultipartUpload;
}

const recordSchema: z.ZodType<DownloadRecord> = z.object({
  source: z.string(),
  validator: z.string().nullable(),
  sizeBytes: z.number().int().min(0).nullable(),
  partSizeBytes: z.number().int().min(1),
  upload: z.object({ name: z.string(), uploadId: z.string() }),
});

/** Undefined also where the object is not what this version writes: a download that cannot be continued starts again. */
export async function readDownloadRecord(
  store: ObjectStore,
  name: string,
  signal: AbortSignal,
): Promise<DownloadRecord | undefined> {
  const found = await store.readText(artifactNames.record(name), signal);
  const parsed = recordSchema.safeParse(parseJson(found?.text));
  // Another name's file is never written to, whoever edited the record.
  return parsed.data?.upload.name.startsWith(`artifacts/${name}/`) === true ? parsed.data : undefined;
}

export async function writeRecord(
  store: ObjectStore,
  name: string,
  record: DownloadRecord,
  signal: AbortSignal,
): Promise<void> {
  const text = JSON.stringify(record, undefined, 2);
  await store.writeText(artifactNames.record(name), text, undefined, signal);
}

/** Why the download cannot be continued, or undefined when it can. */
export function whyAnew(record: DownloadRecord, source: string, version: FileVersion): string | undefined {
  if (record.source !== source) return `the last download was from ${record.source}`;
  if (version.validator === undefined) return `${source} states no version to continue with`;
  const same = record.validator === version.validator && record.sizeBytes === (version.sizeBytes ?? null);
  return same ? undefined : `${source} has another version by now`;
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
