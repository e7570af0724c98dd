/** @module `glee plan sweeps/…`: which trials there would be, and what they could cost at most. */
import Table from 'cli-table3';
import pc from 'picocolors';
import type { SweepOutlook } from '../../planning/sweeps/resolve-sweep.ts';
import type { Problem, WeightsSource } from '../../contracts/plan.ts';
import type { StoppingRule, SweepPlan } from '../../contracts/sweep.ts';
import { verdictLines } from '../shared/plan-verdict.ts';

interface KindSummary {
  /** The first trial of its kind; the others differ in learning rate, weight decay and seed. */
  readonly trial: string;
  readonly trials: number;
  readonly group: string;
  readonly beginsFrom: string | null;
  /** Of one trial; null where it was not looked at. */
  readonly iterations: number | null;
  readonly gpus: number | null;
}

interface SweepSummary {
  readonly plan: SweepPlan | null;
  readonly kinds: readonly KindSummary[];
  /** Of all trials that were planned, if none is stopped early. */
  readonly iterations: number;
  readonly problems: readonly Problem[];
  readonly schedule?: string;
}

/** @param schedule The line that schedules it. */
export function sweepSummary(
  { plan, kinds, problems }: SweepOutlook,
  schedule: string | undefined,
): SweepSummary {
  const summaries = kinds.map(({ first, count, plan: planned }): KindSummary => {
    const stage = planned?.stage;
    return {
      trial: first.id,
      trials: count,
      group: first.group,
      beginsFrom: stage === undefined ? null : source(stage.weights),
      iterations: stage?.maxIterations ?? null,
      gpus: stage === undefined ? null : stage.gang.hosts * stage.gang.gpusPerHost,
    };
  });
  const iterations = summaries.reduce((sum, kind) => sum + kind.trials * (kind.iterations ?? 0), 0);
  return { plan: plan ?? null, kinds: summaries, iterations, problems, ...(schedule && { schedule }) };
}

export function renderSweepPlan({ plan, kinds, iterations, problems, schedule }: SweepSummary): string {
  const lines = plan === null ? [] : [heading(plan), table(kinds), footing(plan, iterations)];
  return [...lines, ...verdictLines(problems, schedule)].join('\n');
}

function heading({ config, base, trials, space, metric, limits }: SweepPlan): string {
  const repeats = space.seeds.length === 1 ? 'one seed' : `${space.seeds.length} seeds`;
  return `${pc.bold(config)}: ${trials} trials of ${base.name}, ${repeats} each, ${limits.concurrency} at a time, by ${metric.name} (${metric.goal})`;
}

function table(kinds: readonly KindSummary[]): string {
  const rows = new Table({
    head: ['group', 'trials', 'first', 'begins from', 'GPUs', 'iterations each'],
    style: { head: [], border: [] },
  });
  for (const { trial, trials, group, beginsFrom, iterations, gpus } of kinds)
    rows.push([group, trials, trial, beginsFrom ?? '', gpus ?? '', iterations ?? 'not looked at']);
  return rows.toString();
}

function footing({ rule, limits }: SweepPlan, iterations: number): string {
  const budget = limits.gpuHours === undefined ? 'no budget' : `budget ${limits.gpuHours} GPU-hours`;
  return `at most ${iterations} iterations in all, ${ruleText(rule)}; ${budget}`;
}

function ruleText(rule: StoppingRule): string {
  switch (rule.kind) {
    case 'none':
      return 'nothing is stopped early';
    case 'asha':
      return `1 in ${rule.reductionFactor} of a group continues at ${rule.rungs.join(', ')}`;
    case 'median':
      return 'what is worse than the median of the others is stopped';
  }
}

function source(weights: WeightsSource): string {
  switch (weights.kind) {
    case 'checkout':
      return weights.path;
    case 'stage':
      return weights.stage;
    case 'artifact':
      return weights.artifact.name;
    case 'prepared':
      return weights.artifact;
  }
}
