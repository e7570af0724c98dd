/**
 * @module An artifact made of others: streamed from S3 to S3, and visible only when it is whole.
 *
 * A member that is damaged is found by its sum while it passes, and ends the upload before there is an object. What a
 * killed worker leaves is an upload that nothing refers to.
 */
import { createHash, randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { canonicalJson } from '../../planning/inputs-checksum.ts';
import type { ArtifactPlan, PreparedArtifact } from '../../contracts/weights.ts';
import type { MultipartUploads } from '../storage/ports/multipart-uploads.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import { readObject } from '../storage/schemas.ts';
import type { StoredObjects } from '../storage/ports/stored-objects.ts';
import { isStored } from './find-prepared.ts';
import { artifactNames, manifestSchema, mustBeArtifactName, type ArtifactManifest } from './manifest.ts';
import { readBlocks } from '../torch-file/blocks.ts';
import type { TorchFile } from '../torch-file/torch-file.ts';
import { partSizeFor, PART_SIZE_BYTES, uploadParts } from './upload-parts.ts';

export interface MakingTools {
  readonly store: ObjectStore;
  readonly uploads: MultipartUploads;
  readonly objects: StoredObjects;
}

export interface Making {
  readonly artifact: ArtifactPlan;
  readonly ingredients: readonly PreparedArtifact[];
  /** How it came about, for people: `convert eva02-large`. */
  readonly origin: string;
  /** Reads indexes only; the sources stay open until the file is written. */
  plan(): Promise<TorchFile>;
}

/** @throws TorchFileError when an ingredient cannot be used; what S3 says. */
export async function makeArtifact(
  tools: MakingTools,
  making: Making,
  signal: AbortSignal,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<{ readonly manifest: ArtifactManifest; readonly reused: boolean }> {
  const { store, objects } = tools;
  const { name } = making.artifact;
  mustBeArtifactName(name);
  const inputs = inputsOf(making);
  const found = (await readObject(store, artifactNames.manifest(name), manifestSchema, signal))?.value;
  if (found?.inputs === inputs && (await isStored(tools, found.file, signal))) {
    return { manifest: found, reused: true };
  }
  // The workflow of this name is the only one that makes it: what a killed worker had begun is no one's.
  await tools.uploads.abortAll(artifactNames.folder(name), signal);
  const object = artifactNames.file(name, randomUUID(), basename(making.artifact.path));
  const file = await making.plan();
  const sha256 = await upload(tools, object, file, signal, onProgress);
  const stored = await objects.find(object, signal);
  if (stored?.sizeBytes !== file.sizeBytes) {
    throw new Error(`S3 has ${stored?.sizeBytes} bytes of ${name}, not ${file.sizeBytes}`);
  }
  const manifest: ArtifactManifest = {
    name,
    file: { key: store.keyOf(object), sha256, sizeBytes: file.sizeBytes },
    source: making.origin,
    validator: null,
    proof: 'made',
    inputs,
    fetchedAt: Date.now(),
  };
  await store.writeText(
    artifactNames.manifest(name),
    JSON.stringify(manifest, undefined, 2),
    undefined,
    signal,
  );
  return { manifest, reused: false };
}

function inputsOf({ artifact, ingredients }: Making): string {
  const sums = ingredients.map(({ name, sha256 }) => [name, sha256]);
  return createHash('sha256')
    .update(canonicalJson({ recipe: artifact.recipe, sums }))
    .digest('hex');
}

/** @returns SHA-256 of what was sent, each part of it under a checksum that S3 compares. */
async function upload(
  { uploads }: MakingTools,
  object: string,
  file: TorchFile,
  signal: AbortSignal,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256');
  const begun = await uploads.begin(object, signal);
  const bytes = async function* () {
    for await (const block of readBlocks(file, signal)) {
      hash.update(block.bytes);
      yield block.bytes;
      onProgress(block.offset + block.bytes.length, file.sizeBytes);
    }
  };
  try {
    const partSizeBytes = partSizeFor(file.sizeBytes, PART_SIZE_BYTES);
    const input = { upload: begun, partSizeBytes, stored: [], bytes: bytes() };
    const parts = await uploadParts(input, (target, number, part) =>
      uploads.putPart(target, number, part, signal),
    );
    if ((await uploads.complete(begun, parts, signal)) === 'noSuchUpload') {
      throw new Error(`S3 has forgotten the upload of ${object}`);
    }
    return hash.digest('hex');
  } catch (error) {
    await uploads.abort(begun, AbortSignal.timeout(10_000)).catch(() => undefined);
    throw error;
  }
}
