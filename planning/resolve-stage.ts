/** @module One stage of a plan: its GLEE config with the overrides laid over it, checked, and its weights. */
import type { DatasetPlan } from '../contracts/datasets.ts';
import type { Overrides, Problem, JointStageName, StageName, StagePlan, Variant } from '../contracts/plan.ts';
import type { NeededArtifact } from '../contracts/weights.ts';
import type { Catalogue } from './artifact-catalog.ts';
import { hasFile, listGleeConfigs, type checksumOnce, type KnownKeys } from './glee/checkout.ts';
import { withDeclared, type Datasets } from './glee/dataset-catalog.ts';
import { decodeSettings, readPythonConfig } from './glee/glee-config.ts';
import { gleeConfigProblems } from './validations/glee-config-validations.ts';
import { typedOverrides } from './glee/key-types.ts';
import { MODEL_CODE, neededFiles } from './glee/needed-files.ts';
import { overrideProblems } from './validations/override-validations.ts';
import { checkoutPathProblem } from './validations/path-validations.ts';
import type { StagePlaces } from './validations/setting-places.ts';
import { ConfigError, didYouMean } from './reading/problems.ts';
import { plainSettings, type PythonSettings } from './pyyaml/python-value.ts';
import { artifactAt, resolveWeights, type FindArtifact } from './resolve-weights.ts';
import { learningRateSteps, numberAt } from './validations/schedule-validations.ts';
import type { WeightsConfig } from './schemas/schema-parts.ts';
import { mergeSettings, type Settings } from './reading/nested-settings.ts';
import { settingsSha256 } from './inputs-checksum.ts';
import { checkpointPeriodOverride, optionsFor, type StageOptions } from './schemas/stage-options.ts';
import { validateStage } from './validations/validate-stage.ts';

/** What resolving needs beside the config. */
export interface Surroundings {
  readonly checkout: string;
  readonly known: KnownKeys;
  readonly datasets: Datasets;
  readonly catalogue: Catalogue;
  readonly findArtifact: FindArtifact;
  readonly checksum: ReturnType<typeof checksumOnce>;
}

export interface StageRequest extends Surroundings {
  readonly stage: StageName;
  readonly variant: Variant;
  /** The user's config, as problems name it. */
  readonly file: string;
  /** Before the stage's own keys in it: `stages.stage1.`, or nothing. */
  readonly at: string;
  /** GLEE's own config for it, and the one that the user names in its place. */
  readonly configFile: string;
  readonly ownConfigFile?: string | undefined;
  readonly weights: WeightsConfig | undefined;
  /** Stages that this run trains before this one. */
  readonly earlier: readonly JointStageName[];
  readonly options: StageOptions;
  readonly ownOverrides: Overrides;
  readonly sharedOverrides: Overrides;
  /** Settings that the pipeline makes by itself, below the user's. */
  readonly generated?: Overrides;
  /** What the companion registers. */
  readonly declared?: readonly DatasetPlan[];
  /** It is resolved to evaluate a checkpoint with it: what stops a training alone is no problem. */
  readonly evaluatesOnly?: boolean | undefined;
}

export interface StageAnswer {
  /** Undefined where a problem keeps it from being known. */
  readonly plan: StagePlan | undefined;
  readonly problems: readonly Problem[];
}

/** Resolves and checks one stage; every problem is found that can be seen without the others solved. */
export async function resolveStage(request: StageRequest): Promise<StageAnswer> {
  const { stage, at, file, ownOverrides, sharedOverrides, options, generated = {}, declared = [] } = request;
  const own = { overrides: ownOverrides, file, at: `${at}overrides`, known: request.known };
  const keyProblems = overrideProblems(own);
  const configFile = request.ownConfigFile ?? request.configFile;
  const glee = await readConfig(request, configFile);
  if (glee.settings === undefined) return { plan: undefined, problems: [...keyProblems, ...glee.problems] };

  const places: StagePlaces = { stage, at, file, gleeFile: configFile, ownOverrides, sharedOverrides };
  const given = mergeSettings(mergeSettings(generated, sharedOverrides), ownOverrides);
  const withPeriod = mergeSettings(given, checkpointPeriodOverride(options.checkpointPeriod));
  const overrides = typedOverrides(withPeriod, request.known.types);
  const settings = mergeSettings(plainSettings(glee.settings), decodeSettings(overrides));
  const weights = await resolveWeights({ ...request, given: request.weights, settings, places });
  const needed = await findFiles(settings, request, places);
  const datasets = withDeclared(request.datasets, declared);
  const problems = [
    ...keyProblems,
    ...gleeConfigProblems(glee.settings, request.known, places),
    ...validateStage({
      settings,
      gang: options.gang,
      places,
      datasets,
      evaluatesOnly: request.evaluatesOnly,
    }),
    ...('kind' in weights ? [] : [weights]),
    ...needed.problems,
  ];
  if (!('kind' in weights)) return { plan: undefined, problems };
  const plan: StagePlan = {
    stage,
    configFile,
    weights,
    overrides,
    settingsSha256: settingsSha256(settings, declared),
    ...optionsFor(stage, options),
    maxIterations: numberAt(settings, 'SOLVER.MAX_ITER'),
    checkpointPeriod: numberAt(settings, 'SOLVER.CHECKPOINT_PERIOD'),
    learningRateSteps: learningRateSteps(settings),
    ...(declared.length > 0 && { datasets: declared }),
    ...(needed.files.length > 0 && { files: needed.files }),
  };
  return { plan, problems };
}

async function readConfig(
  { at, ownConfigFile, file, checkout }: StageRequest,
  configFile: string,
): Promise<{ settings: PythonSettings | undefined; problems: readonly Problem[] }> {
  const fail = (message: string) => {
    const place = ownConfigFile === undefined ? { file: configFile, key: '' } : { file, key: `${at}config` };
    return { settings: undefined, problems: [{ level: 'error', ...place, message } as const] };
  };
  const wrongPath = checkoutPathProblem(configFile);
  if (wrongPath !== undefined) return fail(wrongPath);
  if (!(await hasFile(checkout, configFile))) {
    const guess = didYouMean(configFile, await listGleeConfigs(checkout));
    return fail(`'${configFile}' is not in the GLEE checkout ${checkout}${guess}`);
  }
  try {
    return { settings: await readPythonConfig(checkout, configFile), problems: [] };
  } catch (error) {
    if (error instanceof ConfigError) return { settings: undefined, problems: error.problems };
    throw error;
  }
}

/** What GLEE opens besides config and weights: in the checkout, in the catalogue, or a problem. */
async function findFiles(
  settings: Settings,
  { checkout, catalogue }: StageRequest,
  places: StagePlaces,
): Promise<{ files: readonly NeededArtifact[]; problems: readonly Problem[] }> {
  const files: NeededArtifact[] = [];
  const problems: Problem[] = [];
  for (const { path, key, why } of neededFiles(settings, await hasFile(checkout, MODEL_CODE))) {
    if (await hasFile(checkout, path)) continue;
    const artifact = artifactAt(path, catalogue);
    if (artifact !== undefined) {
      files.push({ artifact, path });
      continue;
    }
    const message = `${places.stage} needs ${why}, and '${path}' is neither in the GLEE checkout ${checkout} nor in the catalogue (artifacts.yaml)`;
    problems.push({ level: 'error', file: places.gleeFile, key, message });
  }
  return { files, problems };
}
