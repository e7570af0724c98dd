/** @module One stage of a plan: its GLEE config with the overrides laid over it, checked, and its weights. */
import { DEFAULT_RETENTION, type Retention } from '../contracts/checkpoints.ts';
import type { Overrides, Problem, SaveEvery, StageLimits, StageName, StagePlan } from '../contracts/plan.ts';
import type { NeededArtifact } from '../contracts/weights.ts';
import type { Catalogue } from './artifacts.ts';
import { hasFile, listGleeConfigs } from './checkout.ts';
import { durationMs } from './durations.ts';
import type { Datasets } from './datasets.ts';
import { decodeSettings, readGleeConfig } from './glee-config.ts';
import type { KeyType } from './glee-keys.ts';
import { gleeConfigFile } from './glee-stages.ts';
import { MODEL_CODE, neededFiles } from './needed-files.ts';
import { overrideTraps } from './override-traps.ts';
import { checkoutPathProblem } from './path-traps.ts';
import type { StagePlaces } from './places.ts';
import { ConfigError, didYouMean } from './problems.ts';
import { artifactAt, resolveWeights, type FindArtifact } from './resolve-weights.ts';
import { numberAt } from './schedule-traps.ts';
import type { JointConfig, LimitsConfig, StageConfig } from './schema.ts';
import { mergeSettings, type Settings } from './settings.ts';
import { settingsSha256 } from './stage-inputs.ts';
import { findTraps } from './traps.ts';

export interface StageRequest {
  readonly stage: StageName;
  readonly own: StageConfig;
  readonly joint: JointConfig;
  /** The user's config, as problems name it. */
  readonly file: string;
  readonly earlier: readonly StageName[];
  readonly checkout: string;
  readonly known: ReadonlyMap<string, KeyType>;
  readonly datasets: Datasets;
  readonly catalogue: Catalogue;
  readonly findArtifact: FindArtifact;
}

export interface StageAnswer {
  /** Undefined where a problem keeps it from being known. */
  readonly plan: StagePlan | undefined;
  readonly problems: readonly Problem[];
}

const DEFAULT_LIMITS: StageLimits = {
  heartbeatTimeoutMs: 60_000,
  hostTimeoutMs: 300_000,
  stallTimeoutMs: 1_800_000,
  attemptsWithoutProgress: 10,
};

/**
 * GLEE loads what fits and says nothing of the rest, so a wrong file trains from scratch and looks healthy.
 * Stage 1 begins from MaskDINO's weights, of which Pro with its backbone of 300 M parameters and its text encoder of 60 M
 * has some 25 M in common: about 6 %; a file with wrong names has none. Stage 2 adds the text encoder's teacher and the visual
 * prompt, which in Lite are over a third of the model and load themselves or begin anew. Stage 3 has Stage 2's model.
 */
const DEFAULT_COVERAGE: Readonly<Record<StageName, number>> = { stage1: 0.01, stage2: 0.5, stage3: 0.95 };

/** Resolves and checks one stage; every problem is found that can be seen without the others solved. */
export async function resolveStage(request: StageRequest): Promise<StageAnswer> {
  const { stage, own, joint, file } = request;
  const at = `stages.${stage}.overrides`;
  const keyProblems = overrideTraps({ overrides: own.overrides ?? {}, file, at, known: request.known });
  const configFile = own.config ?? gleeConfigFile(joint.variant, stage);
  const glee = await readConfig(request, configFile);
  if (glee.settings === undefined) return { plan: undefined, problems: [...keyProblems, ...glee.problems] };

  const places: StagePlaces = {
    stage,
    file,
    gleeFile: configFile,
    ownOverrides: own.overrides ?? {},
    sharedOverrides: joint.overrides ?? {},
  };
  const period = own.checkpointPeriod ?? joint.checkpointPeriod;
  const given = mergeSettings(places.sharedOverrides, places.ownOverrides);
  const overrides = mergeSettings(given, periodOverride(period));
  const saveEvery = saveEveryOf(period);
  const settings = mergeSettings(glee.settings, decodeSettings(overrides));
  const gang = own.gang ?? joint.gang;
  const weights = await resolveWeights({
    ...request,
    variant: joint.variant,
    given: own.weights,
    settings,
    places,
  });
  const needed = await findFiles(settings, request, places);
  const problems = [
    ...keyProblems,
    ...findTraps({ settings, gang, places, datasets: request.datasets }),
    ...('kind' in weights ? [] : [weights]),
    ...needed.problems,
  ];
  if (!('kind' in weights)) return { plan: undefined, problems };
  const plan: StagePlan = {
    stage,
    configFile,
    weights,
    overrides,
    settingsSha256: settingsSha256(settings),
    gang,
    pool: joint.pool ?? 'default',
    maxIterations: numberAt(settings, 'SOLVER.MAX_ITER'),
    checkpointPeriod: numberAt(settings, 'SOLVER.CHECKPOINT_PERIOD'),
    ...(saveEvery !== undefined && { saveEvery }),
    retention: retentionOf({ ...joint.retention, ...own.retention }),
    limits: {
      ...DEFAULT_LIMITS,
      coverage: DEFAULT_COVERAGE[stage],
      ...limitsOf(joint.limits),
      ...limitsOf(own.limits),
    },
    ...(needed.files.length > 0 && { files: needed.files }),
  };
  return { plan, problems };
}

async function readConfig(
  { stage, own, file, checkout }: StageRequest,
  configFile: string,
): Promise<{ settings: Settings | undefined; problems: readonly Problem[] }> {
  const fail = (message: string) => {
    const place =
      own.config === undefined ? { file: configFile, key: '' } : { file, key: `stages.${stage}.config` };
    return { settings: undefined, problems: [{ level: 'error', ...place, message } as const] };
  };
  const wrongPath = checkoutPathProblem(configFile);
  if (wrongPath !== undefined) return fail(wrongPath);
  if (!(await hasFile(checkout, configFile))) {
    const guess = didYouMean(configFile, await listGleeConfigs(checkout));
    return fail(`'${configFile}' is not in the GLEE checkout ${checkout}${guess}`);
  }
  try {
    return { settings: await readGleeConfig(checkout, configFile), problems: [] };
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

/** A number of iterations is GLEE's own setting. */
function periodOverride(period: JointConfig['checkpointPeriod']): Overrides {
  return typeof period === 'number' ? { SOLVER: { CHECKPOINT_PERIOD: period } } : {};
}

function saveEveryOf(period: JointConfig['checkpointPeriod']): SaveEvery | undefined {
  if (period === undefined || typeof period === 'number') return undefined;
  if (period === 'auto') return { kind: 'auto' };
  return { kind: 'seconds', seconds: (durationMs(period) ?? 0) / 1000 };
}

function retentionOf({ newest, every }: NonNullable<JointConfig['retention']>): Retention {
  return { newest: newest ?? DEFAULT_RETENTION.newest, ...(every !== undefined && { every }) };
}

/** The limits that are given; those that are not must not hide others by `undefined`. */
function limitsOf(limits: LimitsConfig | undefined): Partial<StageLimits> {
  const { heartbeatTimeout, hostTimeout, stallTimeout, attemptsWithoutProgress, coverage } = limits ?? {};
  return {
    ...(heartbeatTimeout === undefined ? {} : { heartbeatTimeoutMs: heartbeatTimeout }),
    ...(hostTimeout === undefined ? {} : { hostTimeoutMs: hostTimeout }),
    ...(stallTimeout === undefined ? {} : { stallTimeoutMs: stallTimeout }),
    ...(attemptsWithoutProgress === undefined ? {} : { attemptsWithoutProgress }),
    ...(coverage === undefined ? {} : { coverage }),
  };
}
