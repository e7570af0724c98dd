/** @module What a config options for a stage beside its settings: hosts, saving, limits. Joint and fine-tune have the same. */
import { DEFAULT_RETENTION, type Retention } from '../../contracts/checkpoints.ts';
import { FAILURE_CLASSES } from '../../contracts/failures.ts';
import type { Overrides, SaveEvery, StageLimits, StageName, StagePlan } from '../../contracts/plan.ts';
import { durationMs } from '../reading/durations.ts';
import type { GangConfig, LimitsConfig, NeedsConfig, PeriodConfig, RetentionConfig } from './schema-parts.ts';

export interface StageOptions {
  readonly gang: GangConfig;
  readonly pool?: string | undefined;
  readonly team?: string | undefined;
  readonly priority?: number | undefined;
  readonly needs?: NeedsConfig | undefined;
  readonly approval?: true | undefined;
  readonly checkpointPeriod?: PeriodConfig | undefined;
  readonly retention?: RetentionConfig | undefined;
  readonly limits?: LimitsConfig | undefined;
}

const DEFAULT_LIMITS: StageLimits = {
  heartbeatTimeoutMs: 60_000,
  hostTimeoutMs: 300_000,
  stallTimeoutMs: 1_800_000,
  attemptsWithoutProgress: 10,
};

/**
 * A line of metrics is the median of 20 iterations, and five in a row must be so high: data sets that differ by a factor
 * of a few, a warm-up or a step of the learning rate come nowhere near it. What does is a training that is lost.
 */
const DEFAULT_LOSS_SPIKE = 10;

/**
 * GLEE loads what fits and says nothing of the rest, so a wrong file trains from scratch and looks healthy.
 * Stage 1 begins from MaskDINO's weights, of which Pro with its backbone of 300 M parameters and its text encoder of 60 M
 * has some 25 M in common: about 6 %; a file with wrong names has none. Stage 2 adds the text encoder's teacher and the visual
 * prompt, which in Lite are over a third of the model and load themselves or start again. Stage 3 has Stage 2's model.
 * A fine-tune has it too, or in the video configs a part of it.
 */
const DEFAULT_COVERAGE: Readonly<Record<StageName, number>> = {
  stage1: 0.01,
  stage2: 0.5,
  stage3: 0.95,
  finetune: 0.9,
};

/** The part of a stage's plan that steers it and changes nothing that is learned, but for the gang. */
export function optionsFor(
  stage: StageName,
  options: StageOptions,
): Pick<StagePlan, 'gang' | 'pool' | 'priority' | 'team' | 'needs' | 'approval' | 'saveEvery' | 'limits'> & {
  readonly retention: Retention;
} {
  const { gang, pool = 'default', approval, checkpointPeriod, retention = {}, limits = {} } = options;
  const saveEvery = saveEveryOf(checkpointPeriod);
  return {
    gang,
    pool,
    ...poolWishes(options),
    ...(approval === true && { approval }),
    ...(saveEvery !== undefined && { saveEvery }),
    retention: retentionOf(retention),
    limits: {
      ...DEFAULT_LIMITS,
      coverage: DEFAULT_COVERAGE[stage],
      ...lossSpikeOf(limits.lossSpike),
      ...limitsOf(limits),
    },
  };
}

/** A number of iterations is GLEE's own setting. */
export function checkpointPeriodOverride(period: PeriodConfig | undefined): Overrides {
  return typeof period === 'number' ? { SOLVER: { CHECKPOINT_PERIOD: period } } : {};
}

function saveEveryOf(period: PeriodConfig | undefined): SaveEvery | undefined {
  if (period === undefined || typeof period === 'number') return undefined;
  if (period === 'auto') return { kind: 'auto' };
  return { kind: 'seconds', seconds: (durationMs(period) ?? 0) / 1000 };
}

function retentionOf({ newest, every }: RetentionConfig): Retention {
  return { newest: newest ?? DEFAULT_RETENTION.newest, ...(every !== undefined && { every }) };
}

/** What decides whom the pool serves, and with which hosts. */
function poolWishes({
  priority,
  team,
  needs: { gpuMemoryGiB, labels } = {},
}: StageOptions): Pick<StagePlan, 'priority' | 'team' | 'needs'> {
  const needs = {
    ...(gpuMemoryGiB !== undefined && { gpuMemoryMiB: Math.round(gpuMemoryGiB * 1024) }),
    ...(labels !== undefined && { labels }),
  };
  return {
    ...(priority !== undefined && { priority }),
    ...(team !== undefined && { team }),
    ...(Object.keys(needs).length > 0 && { needs }),
  };
}

function lossSpikeOf(given: LimitsConfig['lossSpike'] = DEFAULT_LOSS_SPIKE): Partial<StageLimits> {
  return given === 'off' ? {} : { lossSpike: given };
}

/** The limits that are given; those that are not must not hide others by `undefined`. */
function limitsOf(limits: LimitsConfig): Partial<StageLimits> {
  const { heartbeatTimeout, hostTimeout, stallTimeout, attemptsWithoutProgress, coverage, budgets } = limits;
  const phases = Object.entries(limits.phases ?? {});
  return {
    ...(heartbeatTimeout === undefined ? {} : { heartbeatTimeoutMs: heartbeatTimeout }),
    ...(hostTimeout === undefined ? {} : { hostTimeoutMs: hostTimeout }),
    ...(stallTimeout === undefined ? {} : { stallTimeoutMs: stallTimeout }),
    ...(phases.length === 0 ? {} : { phaseTimeoutsMs: Object.fromEntries(phases) }),
    ...(attemptsWithoutProgress === undefined ? {} : { attemptsWithoutProgress }),
    ...(coverage === undefined ? {} : { coverage }),
    ...(budgets === undefined ? {} : { budgets: givenBudgets(budgets) }),
  };
}

function givenBudgets(budgets: NonNullable<LimitsConfig['budgets']>): NonNullable<StageLimits['budgets']> {
  const given = FAILURE_CLASSES.flatMap((name) => {
    const most = budgets[name];
    return most === undefined ? [] : [[name, most] as const];
  });
  return Object.fromEntries(given);
}
