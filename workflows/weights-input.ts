/** @module The inputs of the workflows that prepare weights, as anybody may have sent them. */
import { exactly, json, listOf, oneOf, text, variants, whole } from '../contracts/parsing.ts';
import { PROOFS, type PrepareArtifactInput, type PrepareWeightsInput } from '../contracts/weights.ts';
import { checkedInput } from './invalid.ts';

const MOST_ARTIFACTS = 1000;

/** @throws InvalidConfig, which fails the workflow instead of its task. */
export function checkWeightsInput(input: PrepareWeightsInput | undefined): PrepareWeightsInput {
  return checkedInput(WEIGHTS_INPUT, input);
}

/** @throws InvalidConfig, which fails the workflow instead of its task. */
export function checkArtifactInput(input: PrepareArtifactInput | undefined): PrepareArtifactInput {
  return checkedInput(ARTIFACT_INPUT, input);
}

const LONGEST_NAME = 512;

export const name = text(LONGEST_NAME);
export const count = whole(0, Number.MAX_SAFE_INTEGER);

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
  convert: exactly({ how: name, from: name, drop: listOf(name, MOST_ARTIFACTS), prefix: name }),
  merge: exactly({ how: name, base: name, except: name, from: name, under: name, as: name }),
  trained: exactly({ how: name, run: name, stage: name }),
});
const ARTIFACT = exactly({ name, path: name, recipe: RECIPE });

const WEIGHTS_INPUT = exactly({ artifacts: listOf(ARTIFACT, MOST_ARTIFACTS) });
const ARTIFACT_INPUT = exactly({
  artifact: ARTIFACT,
  ingredients: listOf(WEIGHTS_FILE, MOST_ARTIFACTS),
});
