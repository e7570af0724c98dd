/** @module Makes a plan from a config: everything that can be known beforehand is looked up, checked and written down. */
import { STAGES, type Plan, type Problem, type JointStageName } from '../contracts/plan.ts';
import { gleeConfigFile } from './glee/glee-stages.ts';
import { defaultConfigDirectory, loadJointConfig, type LoadedConfig } from './load-config.ts';
import { overrideProblems } from './validations/override-validations.ts';
import { resolveStage, type StageAnswer, type Surroundings } from './resolve-stage.ts';
import {
  groundOf,
  neededArtifacts,
  problemsOf,
  runProblems,
  withLines,
  type ResolveInput,
} from './resolve-common.ts';
import type { JointConfig, StageConfig } from './schemas/joint-schema.ts';
import type { StageOptions } from './schemas/stage-options.ts';

export interface ResolveJointPlanResult {
  /** Undefined where a problem is an error. */
  readonly plan: Plan | undefined;
  /** All problems at once, errors and warnings. */
  readonly problems: readonly Problem[];
}

/** Resolves and checks a joint training. Spends nothing and changes nothing. */
export async function resolveJointPlan(input: ResolveInput): Promise<ResolveJointPlanResult> {
  const { run, config: name, configDirectory = defaultConfigDirectory } = input;
  const joint = await problemsOf(loadJointConfig(name, configDirectory));
  const ground = await groundOf(input);
  const { surroundings } = ground;
  const problems = [...runProblems(run), ...joint.problems, ...ground.problems];
  if (joint.value === undefined || surroundings === undefined) return { plan: undefined, problems };

  const { config, source } = joint.value;
  const stages = await resolveStages(joint.value, surroundings);
  const found = withLines([...problems, ...stages.flatMap((stage) => stage.problems)], source);
  const plans = stages.flatMap(({ plan }) => (plan === undefined ? [] : [plan]));
  if (found.some(({ level }) => level === 'error')) return { plan: undefined, problems: found };
  const artifacts = neededArtifacts(plans, surroundings.catalogue);
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

async function resolveStages(
  { config, source }: LoadedConfig<JointConfig>,
  surroundings: Surroundings,
): Promise<StageAnswer[]> {
  const { file } = source;
  const sharedOverrides = config.overrides ?? {};
  const shared = { overrides: sharedOverrides, file, at: 'overrides', known: surroundings.known };
  const answers: StageAnswer[] = [{ plan: undefined, problems: overrideProblems(shared) }];
  const earlier: JointStageName[] = [];
  for (const stage of STAGES) {
    const own = config.stages[stage];
    if (own === undefined) continue;
    const answer = await resolveStage({
      ...surroundings,
      stage,
      variant: config.variant,
      file,
      at: `stages.${stage}.`,
      configFile: gleeConfigFile(config.variant, stage),
      ownConfigFile: own.config,
      weights: own.weights,
      earlier: [...earlier],
      options: stageOptions(own, config),
      ownOverrides: own.overrides ?? {},
      sharedOverrides,
    });
    answers.push(answer);
    earlier.push(stage);
  }
  return answers;
}

/** The stage's own go before those that it shares. */
function stageOptions(own: StageConfig, joint: JointConfig): StageOptions {
  const phases = { ...joint.limits?.phases, ...own.limits?.phases };
  return {
    gang: own.gang ?? joint.gang,
    pool: joint.pool,
    team: joint.team,
    priority: own.priority ?? joint.priority,
    needs: { ...joint.needs, ...own.needs },
    approval: own.approval,
    checkpointPeriod: own.checkpointPeriod ?? joint.checkpointPeriod,
    retention: { ...joint.retention, ...own.retention },
    limits: { ...joint.limits, ...own.limits, phases },
  };
}
