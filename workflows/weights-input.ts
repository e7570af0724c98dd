/** @module The inputs of the workflows that prepare weights, as anybody may have sent them. */
import { count, json, listOf, name, object, oneOf, variants, type Check } from '../contracts/shapes.ts';
import { PROOFS, type PrepareArtifactInput, type PrepareWeightsInput } from '../contracts/weights.ts';
import { invalid } from './invalid.ts';

const MOST_ARTIFACTS = 1000;

/** @throws InvalidConfig, which fails the workflow instead of its task. */
export function checkWeightsInput(input: PrepareWeightsInput | undefined): PrepareWeightsInput {
  return checked(WEIGHTS_INPUT, input);
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

/** A file in S3; artifacts of runs say more. */
export const WEIGHTS_FILE = object(
  { name, bucket: name, key: name, sha256: name, sizeBytes: count },
  { iterations: count, configFile: name, proof: oneOf(PROOFS), origin: name, reused: json(0) },
);

const RECIPE = variants('how', {
  download: object({ how: name, sources: listOf(name, 100) }, { sha256: name, sizeBytes: count }),
  convert: object({ how: name, from: name, drop: listOf(name), prefix: name }),
  merge: object({ how: name, base: name, except: name, from: name, under: name, as: name }),
  trained: object({ how: name, run: name, stage: name }),
});
const ARTIFACT = object({ name, path: name, recipe: RECIPE });

const WEIGHTS_INPUT = object({ artifacts: listOf(ARTIFACT, MOST_ARTIFACTS) });
const ARTIFACT_INPUT = object({
  artifact: ARTIFACT,
  ingredients: listOf(WEIGHTS_FILE, MOST_ARTIFACTS),
});
