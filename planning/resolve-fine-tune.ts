/** @module Makes a fine-tune's plan from its config: the task looked up, settings made up and checked, weights found. */
import { DEFAULT_RETENTION } from '../contracts/checkpoints.ts';
import type { EvaluationPlan, FineTunePlan } from '../contracts/fine-tune.ts';
import { FINE_TUNE_STAGE, type Overrides, type Problem, type StagePlan } from '../contracts/plan.ts';
import { withDeclared, type Datasets } from './glee/dataset-catalog.ts';
import { imageSchedule } from './fine-tune-schedule.ts';
import type { FineTuneConfig } from './schemas/fine-tune-schema.ts';
import { resolveTask, type FineTuneTask } from './fine-tune-task.ts';
import { defaultConfigDirectory, loadFineTuneConfig, parseFineTuneConfig } from './load-config.ts';
import { didYouMean } from './reading/problems.ts';
import { resolveStage, type StageAnswer, type StageRequest, type Surroundings } from './resolve-stage.ts';
import {
  groundOf,
  neededArtifacts,
  problemsOf,
  runProblems,
  withLines,
  type Ground,
  type ResolveInput,
} from './resolve-common.ts';
import { settingAt, type Settings } from './reading/nested-settings.ts';

export interface ResolveFineTunePlanResult {
  /** Undefined where a problem is an error. */
  readonly plan: FineTunePlan | undefined;
  /** All problems at once, errors and warnings. */
  readonly problems: readonly Problem[];
}

export interface ResolveFineTuneInput extends ResolveInput {
  /** What a sweep has made of the config, in its place. */
  readonly settings?: Settings;
  /** A checkpoint is to be evaluated with it, and nothing trained. */
  readonly evaluatesOnly?: boolean;
  /** What a sweep has looked up for all its trials. */
  readonly ground?: Ground;
}

/** Resolves and checks a fine-tune. Spends nothing and changes nothing. */
export async function resolveFineTunePlan(input: ResolveFineTuneInput): Promise<ResolveFineTunePlanResult> {
  const { run, config: name } = input;
  const loaded = await problemsOf(load(input));
  const ground = input.ground ?? (await groundOf(input));
  const { surroundings } = ground;
  const problems = [...runProblems(run), ...loaded.problems, ...ground.problems];
  if (loaded.value === undefined || surroundings === undefined) return { plan: undefined, problems };

  const { config, source } = loaded.value;
  const fail = (found: readonly Problem[]) => ({
    plan: undefined,
    problems: withLines([...problems, ...found], source),
  });
  const task = await resolveTask(config);
  if ('message' in task) return fail([{ level: 'error', file: source.file, ...task }]);
  const evaluation = evaluationOf(config, task);
  const wrong = evaluationProblems(config, task, surroundings.datasets, source.file);
  // A wrong name is told once, where the user wrote it.
  const sound = wrong.length === 0 ? config : { ...config, evaluation: undefined };
  const stage = await resolveOnlyStage(sound, source.file, task, {
    ...surroundings,
    evaluatesOnly: input.evaluatesOnly,
  });
  const found = [...stage.problems, ...wrong];
  if (stage.plan === undefined || [...problems, ...found].some(({ level }) => level === 'error')) {
    return fail(found);
  }
  const warnings = withLines([...problems, ...found], source);
  const artifacts = neededArtifacts([stage.plan], surroundings.catalogue);
  const plan: FineTunePlan = {
    run,
    config: name,
    variant: config.variant,
    task: task.task,
    stage: {
      ...keeping(stage.plan, evaluation),
      ...(isEvaluatedAfter(config) && { evaluatedAfter: true }),
    },
    ...(artifacts.length > 0 && { artifacts }),
    evaluation,
    warnings,
  };
  return { plan, problems: warnings };
}

/** Whether `--eval-only` alone evaluates its checkpoints. Who sets EVAL_PERIOD wants to see metrics in the training as well. */
function isEvaluatedAfter({ evaluation, overrides = {} }: FineTuneConfig): boolean {
  const asked = settingAt(overrides, 'TEST.EVAL_PERIOD');
  return evaluation?.checkpoints !== 'final' && (asked === undefined || asked === 0);
}

/** What is to be evaluated at the end must not be pruned on the way. */
function keeping(stage: StagePlan, { checkpoints }: EvaluationPlan): StagePlan {
  if (typeof checkpoints === 'string') return stage;
  return { ...stage, retention: { ...DEFAULT_RETENTION, ...stage.retention, at: checkpoints } };
}

async function load({ config, settings, configDirectory = defaultConfigDirectory }: ResolveFineTuneInput) {
  if (settings !== undefined) return parseFineTuneConfig(config, settings);
  return loadFineTuneConfig(config, configDirectory);
}

async function resolveOnlyStage(
  config: FineTuneConfig,
  file: string,
  task: FineTuneTask,
  surroundings: Surroundings & Pick<StageRequest, 'evaluatesOnly'>,
): Promise<StageAnswer> {
  const { variant, weights, overrides = {}, ...options } = config;
  return resolveStage({
    ...surroundings,
    stage: FINE_TUNE_STAGE,
    variant,
    file,
    at: '',
    configFile: task.configFile,
    weights: weights ?? { path: `model_zoo/GLEE_${variant}_joint.pth` },
    earlier: [],
    options,
    ownOverrides: overrides,
    sharedOverrides: {},
    generated: generatedSettings(config, task),
    declared: task.declared,
  });
}

/** What the pipeline sets by itself, below the user's overrides. */
function generatedSettings(config: FineTuneConfig, { images, test }: FineTuneTask): Overrides {
  const asked = config.evaluation?.datasets;
  if (images === undefined) return asked === undefined ? {} : { DATASETS: { TEST: asked } };
  const given = (key: string) => {
    const value = settingAt(config.overrides ?? {}, key);
    return typeof value === 'number' && value >= 1 ? value : undefined;
  };
  return imageSchedule({
    train: images.train,
    test: asked ?? test,
    gang: config.gang,
    images: images.count,
    fewShot: config.fewShot !== undefined,
    iterations: given('SOLVER.MAX_ITER'),
    period: given('SOLVER.CHECKPOINT_PERIOD'),
    evaluatedAfter: (config.evaluation?.checkpoints ?? 'kept') !== 'final',
  });
}

function evaluationOf({ evaluation = {} }: FineTuneConfig, task: FineTuneTask): EvaluationPlan {
  const metric = evaluation.metric ?? task.metric;
  return {
    datasets: evaluation.datasets ?? task.test,
    ...(metric !== undefined && { metric }),
    checkpoints: evaluation.checkpoints ?? 'kept',
  };
}

function evaluationProblems(
  { evaluation = {} }: FineTuneConfig,
  { task, metric, declared }: FineTuneTask,
  datasets: Datasets,
  file: string,
): readonly Problem[] {
  const { registered } = withDeclared(datasets, declared);
  const unknown = (evaluation.datasets ?? []).flatMap((name, index): Problem[] => {
    if (registered.has(name)) return [];
    const message = `data set '${name}' is registered nowhere${didYouMean(name, registered.keys())}`;
    return [{ level: 'error', file, key: `evaluation.datasets.${index}`, message }];
  });
  if (metric !== undefined || evaluation.metric === undefined) return unknown;
  const message = `GLEE computes no figure for ${task}: it writes inference/results.json for the benchmark's own server or toolkit. Leave the metric out`;
  return [...unknown, { level: 'error', file, key: 'evaluation.metric', message }];
}
