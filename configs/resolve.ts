/** @module Makes a plan from a config: everything that can be known beforehand is looked up, checked and written down. */
import { runIdProblem } from '../contracts/ids.ts';
import type { ArtifactPlan } from '../contracts/weights.ts';
import { STAGES, type Plan, type Problem, type StageName, type StagePlan } from '../contracts/plan.ts';
import { loadCatalogue, preferCheckout, withIngredients, type Catalogue } from './artifacts.ts';
import { inspectCheckout, knownKeys } from './checkout.ts';
import { loadDatasets } from './datasets.ts';
import { defaultConfigDirectory, loadJointConfig, type LoadedJointConfig } from './load.ts';
import { overrideTraps } from './override-traps.ts';
import { ConfigError } from './problems.ts';
import type { FindArtifact } from './resolve-weights.ts';
import { resolveStage, type StageAnswer } from './resolve-stage.ts';

export interface ResolveJointPlanInput {
  readonly run: string;
  /** Name of the config, as `joint/lite`. */
  readonly config: string;
  /** Folder with the configs. @default the package's own */
  readonly configDirectory?: string;
  /** Folder of the GLEE checkout on this machine. */
  readonly checkout: string;
  /** Final weights of a stage that another run has finished, or a checkpoint of it. */
  readonly findArtifact: FindArtifact;
}

export interface ResolveJointPlanResult {
  /** Undefined where a problem is an error. */
  readonly plan: Plan | undefined;
  /** All problems at once, errors and warnings. */
  readonly problems: readonly Problem[];
}

/** Resolves and checks a joint training. Spends nothing and changes nothing. */
export async function resolveJointPlan(input: ResolveJointPlanInput): Promise<ResolveJointPlanResult> {
  const loaded = await load(input);
  const checkout = await inspectCheckout(input.checkout);
  const problems = [...runProblems(input.run), ...loaded.problems, ...checkout.problems];
  if (loaded.joint === undefined || loaded.catalogue === undefined || !checkout.usable) {
    return { plan: undefined, problems };
  }

  const { config, source } = loaded.joint;
  const stages = await resolveStages(input, loaded.joint, loaded.catalogue);
  const found = [...problems, ...stages.flatMap((stage) => stage.problems)].map((problem) => {
    const line = problem.file === source.file ? (problem.line ?? source.lineOf(problem.key)) : undefined;
    return line === undefined ? problem : { ...problem, line };
  });
  const plans = stages.flatMap(({ plan }) => (plan === undefined ? [] : [plan]));
  if (found.some(({ level }) => level === 'error')) return { plan: undefined, problems: found };
  const { run, config: name } = input;
  const artifacts = neededArtifacts(plans, loaded.catalogue);
  const plan: Plan = {
    run,
    config: name,
    variant: config.variant,
    stages: plans,
    ...(artifacts.length > 0 && { artifacts }),
    warnings: found,
  };
  return { plan, problems: found };
}

/** Which artifacts the stages need follows from the plan: initial weights, and files that GLEE opens by itself. */
function neededArtifacts(stages: readonly StagePlan[], catalogue: Catalogue): readonly ArtifactPlan[] {
  const names = stages.flatMap(({ weights, files = [] }) => [
    ...(weights.kind === 'prepared' ? [weights.artifact] : []),
    ...files.map(({ artifact }) => artifact),
  ]);
  return withIngredients(names, catalogue);
}

async function load({
  config,
  checkout,
  configDirectory = defaultConfigDirectory,
}: ResolveJointPlanInput): Promise<{
  readonly joint: LoadedJointConfig | undefined;
  readonly catalogue: Catalogue | undefined;
  readonly problems: readonly Problem[];
}> {
  const joint = await problemsOf(loadJointConfig(config, configDirectory));
  const catalogue = await problemsOf(
    loadCatalogue(configDirectory).then((found) => preferCheckout(found, checkout)),
  );
  return {
    joint: joint.value,
    catalogue: catalogue.value,
    problems: [...joint.problems, ...catalogue.problems],
  };
}

async function problemsOf<T>(
  loading: Promise<T>,
): Promise<{ readonly value: T | undefined; readonly problems: readonly Problem[] }> {
  try {
    return { value: await loading, problems: [] };
  } catch (error) {
    if (error instanceof ConfigError) return { value: undefined, problems: error.problems };
    throw error;
  }
}

function runProblems(run: string): readonly Problem[] {
  const message = runIdProblem(run);
  return message === undefined ? [] : [{ level: 'error', file: '', key: 'run', message }];
}

async function resolveStages(
  { checkout, findArtifact }: ResolveJointPlanInput,
  { config, source }: LoadedJointConfig,
  catalogue: Catalogue,
): Promise<StageAnswer[]> {
  const known = await knownKeys(checkout);
  const datasets = await loadDatasets();
  const shared = overrideTraps({
    overrides: config.overrides ?? {},
    file: source.file,
    at: 'overrides',
    known,
  });
  const answers: StageAnswer[] = [{ plan: undefined, problems: shared }];
  const earlier: StageName[] = [];
  for (const stage of STAGES) {
    const own = config.stages[stage];
    if (own === undefined) continue;
    const request = { stage, own, joint: config, file: source.file, earlier: [...earlier] };
    answers.push(await resolveStage({ ...request, checkout, known, datasets, catalogue, findArtifact }));
    earlier.push(stage);
  }
  return answers;
}
