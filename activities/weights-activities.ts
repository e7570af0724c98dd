/**
 * @module Bringing artifacts into S3: checked, downloaded, converted, merged, found.
 */
import { activityInfo, Context } from '@temporalio/activity';
import type { S3Client } from '@aws-sdk/client-s3';
import type { WeightsActivities } from '../contracts/activities.ts';
import {
  describeRecipe,
  type ArtifactPlan,
  type PreparedArtifact,
  type WeightsProgress,
} from '../contracts/weights.ts';
import { storageRefusal } from '../planning/environment/s3-client.ts';
import { fail } from './support/failures.ts';
import { findArtifact } from './storage/artifacts.ts';
import type { ObjectStore } from './storage/ports/object-store.ts';
import { mustBeAllowed } from './weights/allowed-recipe.ts';
import { checkSource } from './weights/check-source.ts';
import { FetchError } from './weights/sources/fetch-error.ts';
import { fetchIntoS3 } from './weights/fetch-into-s3.ts';
import type { FetchTools } from './weights/fetching.ts';
import { findPrepared } from './weights/find-prepared.ts';
import { makeArtifact, type Making } from './weights/make-artifact.ts';
import type { ArtifactManifest } from './weights/manifest.ts';
import { createMeter } from './weights/progress.ts';
import { parseSource } from './weights/sources/parse-source.ts';
import type { ByteSource } from './torch-file/byte-source.ts';
import { planConversion } from './torch-file/convert.ts';
import { planMerge } from './torch-file/merge.ts';
import { openS3Source } from './torch-file/s3-source.ts';
import { isUnpickled, mustBeHarmless } from './torch-file/scan.ts';
import { TorchFileError } from './torch-file/torch-file-error.ts';

const HEARTBEAT_MS = 2000;

export interface WeightsDependencies extends FetchTools {
  readonly client: S3Client;
}

export function createWeightsActivities(dependencies: WeightsDependencies): WeightsActivities {
  const { store } = dependencies;
  return {
    checkSources: ({ artifacts }) =>
      beating('all', 'checking', async (_show, signal) => {
        const problems = await Promise.all(
          artifacts.map((artifact) => problemOf(dependencies, artifact, signal)),
        );
        const found = problems.filter((problem) => problem !== undefined);
        if (found.length > 0) throw fail('SourceRefused', found.join('\n'));
      }),

    fetchArtifact: ({ artifact, recipe }) =>
      beating(artifact.name, 'downloading', async (show, signal) => {
        mustBeAllowed(artifact.name, recipe);
        const sources = recipe.sources.map((text) => parseSource(text));
        const { sha256, sizeBytes } = recipe;
        const expected = { ...(sha256 && { sha256 }), ...(sizeBytes !== undefined && { sizeBytes }) };
        const inspect = inspectionOf(dependencies, artifact, signal);
        const request = { name: artifact.name, sources, expected, ...(inspect && { inspect }) };
        const { outcome, manifest } = await fetchIntoS3(dependencies, request, signal, show);
        return preparedFrom(store, manifest, outcome === 'reused');
      }),

    convertArtifact: ({ artifact, recipe, from }) =>
      make(dependencies, 'converting', artifact, [from], async (open, signal) => {
        return (await planConversion(await open(from), recipe, signal)).file;
      }),

    mergeArtifact: ({ artifact, recipe, base, from }) =>
      make(dependencies, 'merging', artifact, [base, from], async (open, signal) => {
        return (await planMerge(await open(base), await open(from), recipe, signal)).file;
      }),

    async findTrained({ artifact, recipe }) {
      const { run, stage } = recipe;
      const found = await findArtifact(store, run, stage);
      if (found === undefined) throw fail('SourceRefused', notTrained(artifact.name, recipe));
      const { bucket, key, sha256, sizeBytes } = found;
      const file = { name: artifact.name, bucket, key, sha256, sizeBytes };
      return { ...file, proof: 'made', origin: `${run}/${stage}`, reused: true };
    },
  };
}

/** Why the artifact cannot be had, as far as its source tells before anything is fetched. */
async function problemOf(
  { store, sources }: WeightsDependencies,
  artifact: ArtifactPlan,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { name, recipe } = artifact;
  if (recipe.how === 'trained' && (await findArtifact(store, recipe.run, recipe.stage)) === undefined) {
    return notTrained(name, recipe);
  }
  if (recipe.how !== 'download') return undefined;
  const prepared = await findPrepared(store, name);
  const wanted = recipe.sha256 ?? prepared?.sha256;
  if (wanted !== undefined && prepared?.sha256 === wanted) return undefined;
  const refusals: string[] = [];
  for (const address of recipe.sources) {
    try {
      mustBeAllowed(name, recipe);
      const expected = recipe.sha256 === undefined ? {} : { sha256: recipe.sha256 };
      await checkSource(sources.of(parseSource(address)), expected, signal);
      return undefined;
    } catch (error) {
      // No one answers: that may pass, and is no reason to refuse the run.
      if (!(error instanceof FetchError) || error.kind === 'unavailable') throw error;
      refusals.push(error.message);
    }
  }
  return `${name}: ${refusals.join('; ')}`;
}

/** Undefined where nothing is to be looked for: no one unpickles the file, or a person vouches for it. */
function inspectionOf(
  { client, store: { bucket } }: WeightsDependencies,
  { name, path, recipe }: ArtifactPlan,
  signal: AbortSignal,
): ((key: string) => Promise<void>) | undefined {
  if (!isUnpickled(path) || (recipe.how === 'download' && recipe.trusted === true)) return undefined;
  return async (key) => {
    try {
      await mustBeHarmless(await openS3Source({ client, bucket, key }, signal), signal);
    } catch (error) {
      if (!(error instanceof TorchFileError)) throw error;
      const remedy =
        "if you know what it is and trust it, give 'trusted: true' and its sha256 in artifacts.yaml";
      throw new FetchError(
        'wrongContent',
        `'${name}' is not given to torch.load: ${error.message}; ${remedy}`,
      );
    }
  };
}

function notTrained(name: string, { run, stage }: { readonly run: string; readonly stage: string }): string {
  return `${name}: run '${run}' has no finished ${stage} in S3`;
}

/** @param plan Opens what it needs, and reads indexes only. */
function make(
  dependencies: WeightsDependencies,
  phase: WeightsProgress['phase'],
  artifact: ArtifactPlan,
  ingredients: readonly PreparedArtifact[],
  plan: (
    open: (ingredient: PreparedArtifact) => Promise<ByteSource>,
    signal: AbortSignal,
  ) => ReturnType<Making['plan']>,
): Promise<PreparedArtifact> {
  return beating(artifact.name, phase, async (show, signal) => {
    const open = ({ bucket, key }: PreparedArtifact) =>
      openS3Source({ client: dependencies.client, bucket, key }, signal);
    const origin = describeRecipe(artifact);
    const making = { artifact, ingredients, origin, plan: () => plan(open, signal) };
    const meter = createMeter(show);
    const onProgress = (doneBytes: number, totalBytes: number) => meter.at(doneBytes, totalBytes);
    const { manifest, reused } = await makeArtifact(dependencies, making, signal, onProgress);
    return preparedFrom(dependencies.store, manifest, reused);
  });
}

function preparedFrom(
  { bucket }: ObjectStore,
  { name, file, proof, source }: ArtifactManifest,
  reused: boolean,
): PreparedArtifact {
  return { name, bucket, ...file, proof, origin: source, reused };
}

type Show = (progress: Omit<WeightsProgress, 'artifact' | 'phase'>) => void;

/** Runs the work with a heartbeat that tells how far it is, and names what no retry mends. */
async function beating<T>(
  artifact: string,
  phase: WeightsProgress['phase'],
  work: (show: Show, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  let progress: WeightsProgress = { artifact, phase, doneBytes: 0 };
  const beat = () => context.heartbeat(progress);
  const beats = setInterval(beat, HEARTBEAT_MS);
  try {
    beat();
    return await work((next) => (progress = { artifact, phase, ...next }), context.cancellationSignal);
  } catch (error) {
    throw named(error);
  } finally {
    clearInterval(beats);
  }
}

function named(error: unknown): unknown {
  if (error instanceof TorchFileError) return fail('WrongWeights', error.message);
  if (!(error instanceof FetchError)) {
    const refusal = storageRefusal(error);
    return refusal === undefined ? error : fail('StorageRefused', refusal);
  }
  switch (error.kind) {
    case 'unavailable':
      return error;
    case 'sourceChanged':
    case 'wrongContent':
      return fail('WrongWeights', error.message);
    case 'unusableSource':
    case 'unauthorized':
    case 'notFound':
      return fail('SourceRefused', `${activityInfo().activityType}: ${error.message}`);
  }
}
