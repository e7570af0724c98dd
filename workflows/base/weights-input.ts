/** @module The inputs of the workflows that prepare weights, as anyone may have sent them. */
import { RUN_ID_PATTERN } from '../../contracts/ids.ts';
import { exactly, json, listOf, oneOf, text, variants, whole } from '../../contracts/parsing.ts';
import { ALL_STAGES } from '../../contracts/plan.ts';
import {
  ingredients,
  PROOFS,
  type ArtifactPlan,
  type PrepareArtifactInput,
  type PrepareWeightsInput,
} from '../../contracts/weights.ts';
import { checkedInput, invalid } from './errors.ts';

const MOST_ARTIFACTS = 1000;

/** @throws InvalidConfig, which fails the workflow instead of its task. */
export function checkWeightsInput(input: PrepareWeightsInput | undefined): PrepareWeightsInput {
  const { artifacts } = checkedInput(WEIGHTS_INPUT, input);
  const circular = circularIn(artifacts);
  if (circular !== undefined) throw invalid(`artifact '${circular}' is made from itself`);
  return { artifacts };
}

/** @throws InvalidConfig, which fails the workflow instead of its task. */
export function checkArtifactInput(input: PrepareArtifactInput | undefined): PrepareArtifactInput {
  return checkedInput(ARTIFACT_INPUT, input);
}

/** An artifact that cannot be made because its ingredients lead back to it, or undefined. */
function circularIn(artifacts: readonly ArtifactPlan[]): string | undefined {
  const names = new Set(artifacts.map((artifact) => artifact.name));
  let left = artifacts;
  for (;;) {
    const waits = left.filter((artifact) => ingredients(artifact).some((one) => names.has(one)));
    if (waits.length === left.length) return left[0]?.name;
    left = waits;
    names.clear();
    for (const artifact of waits) names.add(artifact.name);
  }
}

const LONGEST_NAME = 512;

export const name = text(LONGEST_NAME);
export const count = whole(0, Number.MAX_SAFE_INTEGER);

/** It becomes part of a workflow id and of S3 keys. */
const artifactName = text(
  LONGEST_NAME,
  (value) => RUN_ID_PATTERN.test(value),
  "an artifact's name: letters, digits and . _ - only,",
);
const runId = text(LONGEST_NAME, (value) => RUN_ID_PATTERN.test(value), 'a run id');

/** A file in S3; artifacts of runs say more. */
export const WEIGHTS_FILE = exactly(
  { name, bucket: name, key: name, sha256: name, sizeBytes: count },
  {
    iterations: count,
    configFile: name,
    proof: oneOf(...PROOFS),
    origin: name,
    reused: json(0, 1, LONGEST_NAME),
  },
);

const RECIPE = variants('how', {
  download: exactly(
    { how: name, sources: listOf(name, 100) },
    { sha256: name, sizeBytes: count, trusted: oneOf(true) },
  ),
  convert: exactly({ how: name, from: artifactName, drop: listOf(name, MOST_ARTIFACTS), prefix: name }),
  merge: exactly({ how: name, base: artifactName, except: name, from: artifactName, under: name, as: name }),
  trained: exactly({ how: name, run: runId, stage: oneOf(...ALL_STAGES) }),
});
const ARTIFACT = exactly({ name: artifactName, path: name, recipe: RECIPE });

const WEIGHTS_INPUT = exactly({ artifacts: listOf(ARTIFACT, MOST_ARTIFACTS) });
const ARTIFACT_INPUT = exactly({
  artifact: ARTIFACT,
  ingredients: listOf(WEIGHTS_FILE, MOST_ARTIFACTS),
});
