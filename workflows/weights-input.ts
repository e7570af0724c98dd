/** @module The inputs of the workflows that prepare weights, as anybody may have sent them. */
import { RUN_ID_PATTERN } from '../contracts/ids.ts';
import { ALL_STAGES } from '../contracts/plan.ts';
import {
  count,
  json,
  listOf,
  matching,
  name,
  object,
  oneOf,
  variants,
  yes,
  type Check,
} from '../contracts/shapes.ts';
import {
  ingredients,
  PROOFS,
  type ArtifactPlan,
  type PrepareArtifactInput,
  type PrepareWeightsInput,
} from '../contracts/weights.ts';
import { invalid } from './invalid.ts';

const MOST_ARTIFACTS = 1000;

/** @throws InvalidConfig, which fails the workflow instead of its task. */
export function checkWeightsInput(input: PrepareWeightsInput | undefined): PrepareWeightsInput {
  const { artifacts } = checked(WEIGHTS_INPUT, input);
  const circular = circularIn(artifacts);
  if (circular !== undefined) throw invalid(`artifact '${circular}' is made from itself`);
  return { artifacts };
}

/** @throws InvalidConfig, which fails the workflow instead of its task. */
export function checkArtifactInput(input: PrepareArtifactInput | undefined): PrepareArtifactInput {
  return checked(ARTIFACT_INPUT, input);
}

function checked<T>(check: Check, input: T | undefined): T {
  const problem = check(input, 'input');
  if (problem !== undefined || input === undefined) throw invalid(problem ?? 'input is missing');
  return input;
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

/** It becomes part of a workflow id and of S3 keys. */
const artifactName = matching(RUN_ID_PATTERN, "an artifact's name: letters, digits and . _ - only");

/** A file in S3; artifacts of runs say more. */
export const WEIGHTS_FILE = object(
  { name, bucket: name, key: name, sha256: name, sizeBytes: count },
  { iterations: count, configFile: name, proof: oneOf(PROOFS), origin: name, reused: json(0) },
);

const RECIPE = variants('how', {
  download: object(
    { how: name, sources: listOf(name, 100) },
    { sha256: name, sizeBytes: count, trusted: yes },
  ),
  convert: object({ how: name, from: artifactName, drop: listOf(name), prefix: name }),
  merge: object({ how: name, base: artifactName, except: name, from: artifactName, under: name, as: name }),
  trained: object({ how: name, run: matching(RUN_ID_PATTERN, 'a run id'), stage: oneOf(ALL_STAGES) }),
});
const ARTIFACT = object({ name: artifactName, path: name, recipe: RECIPE });

const WEIGHTS_INPUT = object({ artifacts: listOf(ARTIFACT, MOST_ARTIFACTS) });
const ARTIFACT_INPUT = object({
  artifact: ARTIFACT,
  ingredients: listOf(WEIGHTS_FILE, MOST_ARTIFACTS),
});
