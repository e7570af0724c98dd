/** @module Finds a sweep's config by its name and makes it a plan; every problem names file, line and key. */
import {
  DEFAULT_GROUP,
  type Distribution,
  type StoppingRule,
  type SweepPlan,
} from '../../contracts/sweep.ts';
import { defaultConfigDirectory, listConfigs, parseConfig, readConfig } from '../load-config.ts';
import { ConfigError } from '../reading/problems.ts';
import type { Settings } from '../reading/nested-settings.ts';
import {
  sweepConfigSchema,
  sweepJsonSchema,
  type DistributionConfig,
  type SweepConfig,
} from '../schemas/sweep-schema.ts';
import { spaceProblems } from './sweep-problems.ts';
import { trialCount } from './sweep-space.ts';

/**
 * Reads the sweep `name` (`sweeps/odinw13-lr`) below `directory`, and the fine-tune config that it is based on.
 *
 * @throws ConfigError with all that is wrong with it.
 */
export async function loadSweepPlan(
  name: string,
  directory: string = defaultConfigDirectory,
): Promise<SweepPlan> {
  const source = await readConfig(name, directory, 'sweeps');
  const { config } = parseConfig(name, source, sweepConfigSchema, sweepJsonSchema());
  const base = await readConfig(config.base, directory, 'finetune', source);
  const settings = isRecord(base.value) ? base.value : {};
  const draft = planOf(name, config, settings);
  const problems = spaceProblems(draft, source);
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...draft, trials: trialCount(draft.space) };
}

/** Names of the sweeps below `directory`, sorted. */
export async function listSweeps(directory: string = defaultConfigDirectory): Promise<string[]> {
  return listConfigs(directory, 'sweeps');
}

function planOf(name: string, config: SweepConfig, settings: Settings): SweepPlan {
  const { base, list, grid, random, seeds = 1, metric, concurrency, budget } = config;
  return {
    config: name,
    base: { name: base, settings },
    space: {
      list: list ?? [],
      grid: grid ?? {},
      ...(random && {
        random: {
          ...random,
          space: Object.fromEntries(
            Object.entries(random.space).map(([key, one]) => [key, distributionOf(one)]),
          ),
        },
      }),
      seeds: typeof seeds === 'number' ? Array.from({ length: seeds }, (_, index) => index + 1) : seeds,
    },
    groupBy: config.groupBy ?? DEFAULT_GROUP,
    trials: 0,
    metric: { name: metric.name, goal: metric.goal ?? 'max' },
    rule: ruleOf(config.earlyStopping),
    limits: { concurrency, ...(budget && { gpuHours: budget.gpuHours }) },
  };
}

function distributionOf(one: DistributionConfig): Distribution {
  if ('choice' in one) return { kind: 'choice', values: one.choice };
  if ('uniform' in one) return { kind: 'uniform', low: one.uniform[0], high: one.uniform[1] };
  return { kind: 'logUniform', low: one.logUniform[0], high: one.logUniform[1] };
}

function ruleOf(config: SweepConfig['earlyStopping']): StoppingRule {
  if (config === undefined) return { kind: 'none' };
  if ('asha' in config) {
    return { kind: 'asha', rungs: config.asha.rungs, reductionFactor: config.asha.reductionFactor ?? 3 };
  }
  return { kind: 'median', rungs: config.median.rungs, atLeast: config.median.atLeast ?? 3 };
}

function isRecord(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
