/** @module Where a stage's initial weights come from: named in the config, or handed over by the stage before. */
import { join } from 'node:path';
import { parseCheckpointRef } from '../contracts/checkpoints.ts';
import {
  ALL_STAGES,
  type Artifact,
  type Problem,
  type JointStageName,
  type StageName,
  type Variant,
  type WeightsSource,
} from '../contracts/plan.ts';
import { knownArtifacts, type Catalogue } from './artifact-catalog.ts';
import { hasFile, type checksumOnce } from './glee/checkout.ts';
import { stageBefore } from './glee/glee-stages.ts';
import { checkoutPathProblem } from './validations/path-validations.ts';
import type { StagePlaces } from './validations/setting-places.ts';
import type { WeightsConfig } from './schemas/schema-parts.ts';
import { settingAt, type Settings } from './reading/nested-settings.ts';
import { madeByName, weightsProblem } from './validations/weights-validations.ts';

/** What another run has left in S3: final weights, or the checkpoint of so many iterations. */
export type FindArtifact = (run: string, stage: string, iterations?: number) => Promise<Artifact | undefined>;

export interface WeightsRequest {
  readonly stage: StageName;
  readonly variant: Variant;
  readonly given: WeightsConfig | undefined;
  /** Stages that this run trains before this one. */
  readonly earlier: readonly JointStageName[];
  readonly settings: Settings;
  readonly places: StagePlaces;
  readonly checkout: string;
  readonly catalogue: Catalogue;
  readonly findArtifact: FindArtifact;
  readonly checksum: ReturnType<typeof checksumOnce>;
}

export type WeightsAnswer = WeightsSource | Problem;

/** The weights, with a checksum wherever one can be known, or the problem with them. */
export async function resolveWeights(request: WeightsRequest): Promise<WeightsAnswer> {
  const { given, stage, earlier, settings, places } = request;
  if (given !== undefined && 'path' in given) {
    return fromCheckout(request, given.path, { file: places.file, key: `${places.at}weights.path` });
  }
  if (given !== undefined && 'artifact' in given) return fromCatalogue(request, given.artifact);
  if (given !== undefined && 'from' in given) return fromCheckpoint(request, given.from);
  if (given?.stage !== undefined) return fromRun(request, given.run, given.stage);
  if (given !== undefined) return fromNewest(request, given.run);
  const before = stageBefore(stage);
  if (before !== undefined && earlier.includes(before)) return { kind: 'stage', stage: before };
  if (before !== undefined) return nothingHandedOver(request, before);
  const path = settingAt(settings, 'MODEL.WEIGHTS');
  const place = { file: places.gleeFile, key: 'MODEL.WEIGHTS' };
  if (typeof path === 'string' && path !== '') return fromCheckout(request, path, place);
  const message = `names no initial weights: give ${places.at}weights in ${places.file}`;
  return { level: 'error', ...place, message };
}

async function fromCheckout(
  { stage, variant, checkout, places, catalogue, checksum }: WeightsRequest,
  path: string,
  place: Pick<Problem, 'file' | 'key'>,
): Promise<WeightsAnswer> {
  const wrong =
    checkoutPathProblem(path) ?? weightsProblem({ stage, variant, shown: path, ...madeByName(path) });
  if (wrong !== undefined) return { level: 'error', ...place, message: wrong };
  if (!(await hasFile(checkout, path))) {
    const artifact = artifactAt(path, catalogue);
    if (artifact !== undefined) return { kind: 'prepared', artifact };
    const message = `the initial weights '${path}' of ${stage} are not in the GLEE checkout ${checkout}: put them there (GLEE's TRAIN.md says where from), add them to your artifacts.yaml, or name others in ${places.at}weights of ${places.file}`;
    return { level: 'error', ...place, message };
  }
  return { kind: 'checkout', path, ...(await checksum(join(checkout, path))) };
}

function fromCatalogue({ stage, variant, places, catalogue }: WeightsRequest, name: string): WeightsAnswer {
  const place = { file: places.file, key: `${places.at}weights.artifact` };
  const artifact = catalogue.get(name);
  if (artifact === undefined) {
    const message = `no artifact '${name}' in the catalogue${knownArtifacts(name, catalogue)}`;
    return { level: 'error', ...place, message };
  }
  const wrong = weightsProblem({ stage, variant, shown: name, ...madeByName(artifact.path) });
  return wrong === undefined
    ? { kind: 'prepared', artifact: name }
    : { level: 'error', ...place, message: wrong };
}

/** The artifact that belongs at this path of the checkout. */
export function artifactAt(path: string, catalogue: Catalogue): string | undefined {
  return [...catalogue.values()].find((artifact) => artifact.path === path)?.name;
}

async function fromRun(
  { stage, variant, places, findArtifact }: WeightsRequest,
  run: string,
  from: StageName,
): Promise<WeightsAnswer> {
  const key = `${places.at}weights`;
  const shown = `${run}/${from}`;
  const stageProblem = weightsProblem({ stage, variant, shown, madeBy: from, madeFor: undefined });
  if (stageProblem !== undefined) {
    return { level: 'error', file: places.file, key: `${key}.stage`, message: stageProblem };
  }
  const artifact = await findArtifact(run, from);
  if (artifact === undefined) {
    const message = `run '${run}' has no finished ${from} in S3: name a run that has, or a file of the checkout`;
    return { level: 'error', file: places.file, key: `${key}.run`, message };
  }
  const { madeFor } = madeByName(artifact.configFile);
  const variantProblem = weightsProblem({ stage, variant, shown, madeBy: from, madeFor });
  if (variantProblem === undefined) return { kind: 'artifact', artifact };
  return { level: 'error', file: places.file, key: `${key}.run`, message: variantProblem };
}

async function fromNewest(request: WeightsRequest, run: string): Promise<WeightsAnswer> {
  const newest = await newestFinal(run, request.findArtifact);
  if (newest !== undefined) return fromRun(request, run, newest.stage);
  const { places } = request;
  return { level: 'error', file: places.file, key: `${places.at}weights.run`, message: noFinalWeights(run) };
}

/** The final weights of the last stage that the run has finished; undefined where it has finished none. */
export async function newestFinal(
  run: string,
  findArtifact: FindArtifact,
): Promise<{ readonly stage: StageName; readonly artifact: Artifact } | undefined> {
  for (const stage of ALL_STAGES.toReversed()) {
    const artifact = await findArtifact(run, stage);
    if (artifact !== undefined) return { stage, artifact };
  }
  return undefined;
}

export function noFinalWeights(run: string): string {
  return `run '${run}' has no final weights in S3: it has finished no stage yet, or there is no such run ('glee list' shows those that there are)`;
}

/** The schema has seen to the form. */
async function fromCheckpoint(
  { stage, variant, places, findArtifact }: WeightsRequest,
  shown: string,
): Promise<WeightsAnswer> {
  const place = { file: places.file, key: `${places.at}weights.from` };
  const { run = '', stage: from = '', which } = parseCheckpointRef(shown) ?? {};
  const artifact = await findArtifact(run, from, typeof which === 'number' ? which : undefined);
  if (artifact === undefined) {
    const message = `S3 has no checkpoint ${shown}: 'glee checkpoints list ${run}' shows those that there are`;
    return { level: 'error', ...place, message };
  }
  const madeBy = ALL_STAGES.find((name) => name === from);
  const { madeFor } = madeByName(artifact.configFile);
  const wrong = weightsProblem({ stage, variant, shown, madeBy, madeFor });
  return wrong === undefined ? { kind: 'artifact', artifact } : { level: 'error', ...place, message: wrong };
}

function nothingHandedOver({ stage, variant, places }: WeightsRequest, before: JointStageName): Problem {
  const made = { stage1: 'pretrain', stage2: 'joint', stage3: 'scaleup' }[before];
  return {
    level: 'error',
    file: places.file,
    key: `${places.at}weights`,
    message:
      `${before} is not in this run, so ${stage} must be told where its initial weights are: ` +
      `{ run: <a run that finished ${before}>, stage: ${before} }, { artifact: glee-${variant.toLowerCase()}-${made} } or { path: model_zoo/GLEE_${variant}_${made}.pth }`,
  };
}
