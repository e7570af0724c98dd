/**
 * @module `glee plan`: what a config would run, and all that is wrong with it.
 */
import Table from 'cli-table3';
import pc from 'picocolors';
import { finder } from '../../activities/checkpoints/start-from.ts';
import { openBucket } from '../../activities/storage/bucket.ts';
import { readPlanSettings } from '../../planning/environment/env.ts';
import { resolveSweepPlan } from '../../planning/sweeps/resolve-sweep.ts';
import { resolveJointPlan } from '../../planning/resolve-joint.ts';
import { resolveFineTunePlan } from '../../planning/resolve-fine-tune.ts';
import type { ResolveInput } from '../../planning/resolve-common.ts';
import type { AskedTimes } from '../../planning/schedules/schedule-times.ts';
import { createS3Client } from '../../planning/environment/s3-client.ts';
import { kindOfConfig, scheduleNameProblem } from '../../contracts/ids.ts';
import type { EvaluationPlan, FineTunePlan } from '../../contracts/fine-tune.ts';
import type { Plan, Problem, StagePlan } from '../../contracts/plan.ts';
import { describeRecipe, type ArtifactPlan } from '../../contracts/weights.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { verdictLines } from '../shared/plan-verdict.ts';
import { stockLine } from '../schedules/stock-line.ts';
import { readTimes } from '../schedules/time-options.ts';
import { renderSweepPlan, sweepSummary } from '../sweeps/plan.ts';

export interface PlanOptions extends AskedTimes, OutputOptions {
  /** Name of a schedule, for whose times there are options too. */
  readonly schedule?: string;
}

export async function plan(config: string, options: PlanOptions): Promise<void> {
  const line = scheduleLine(config, options);
  const settings = readPlanSettings();
  // Asked only when the config begins from what another run has trained.
  const bucket = openBucket(createS3Client(), settings.bucket, settings.prefix);
  const forever = new AbortController().signal;
  const input: ResolveInput = {
    ...settings,
    run: 'planned',
    config,
    findArtifact: finder(bucket, forever),
  };
  const failed =
    kindOfConfig(config) === 'sweep'
      ? await planSweep(input, line, options)
      : await planRun(input, line, options);
  if (failed) process.exitCode = 1;
}

async function planRun(
  input: ResolveInput,
  line: string | undefined,
  options: OutputOptions,
): Promise<boolean> {
  const { plan: resolved, problems } = await resolve(input);
  const scheduled = line === undefined ? {} : { schedule: line };
  print({ plan: resolved ?? null, problems, ...scheduled }, options, render);
  return problems.some(({ level }) => level === 'error');
}

async function planSweep(
  input: ResolveInput,
  line: string | undefined,
  options: OutputOptions,
): Promise<boolean> {
  const outlook = await resolveSweepPlan(input);
  print(sweepSummary(outlook, line), options, renderSweepPlan);
  return outlook.problems.some(({ level }) => level === 'error');
}

function scheduleLine(config: string, options: PlanOptions): string | undefined {
  const { schedule } = options;
  if (schedule === undefined) return undefined;
  const problem = scheduleNameProblem(schedule);
  if (problem !== undefined) throw new UserError(problem);
  return stockLine(schedule, config, readTimes(options));
}

function resolve(input: ResolveInput): Promise<Resolved> {
  return kindOfConfig(input.config) === 'fine-tune' ? resolveFineTunePlan(input) : resolveJointPlan(input);
}

interface Resolved {
  readonly plan: Plan | FineTunePlan | undefined;
  readonly problems: readonly Problem[];
}

function render({
  plan: resolved,
  problems,
  schedule,
}: {
  readonly plan: Plan | FineTunePlan | null;
  readonly problems: readonly Problem[];
  readonly schedule?: string;
}): string {
  return [...(resolved === null ? [] : [table(resolved)]), ...verdictLines(problems, schedule)].join('\n');
}

function table(plan: Plan | FineTunePlan): string {
  const { config, variant, artifacts = [] } = plan;
  const stages = 'stage' in plan ? [plan.stage] : plan.stages;
  const more = 'stage' in plan ? fineTuneLines(plan) : '';
  const rows = new Table({
    head: ['stage', 'GLEE config', 'begins from', 'gang', 'iterations', 'checkpoint every'],
    style: { head: [], border: [] },
  });
  for (const stage of stages) {
    const { hosts, gpusPerHost } = stage.gang;
    const gang = `${hosts} × ${gpusPerHost} GPUs`;
    rows.push([
      stage.stage,
      stage.configFile.replace('projects/GLEE/configs/', ''),
      beginsFrom(stage),
      gang,
      stage.maxIterations,
      stage.checkpointPeriod,
    ]);
  }
  return `${pc.bold(config)}: GLEE-${variant}\n${rows.toString()}${more}${artifactLines(artifacts)}`;
}

/** What is registered, and how checkpoints are compared. */
function fineTuneLines({ task, stage: { datasets = [] }, evaluation }: FineTunePlan): string {
  const registered = datasets.map(({ name, annotations, fewShot }) => {
    const few = fewShot && `, ${fewShot.shots} images a category by seed ${fewShot.seed}`;
    return `  ${name}: ${annotations}${few ?? ''}`;
  });
  return [
    `\n${task}`,
    ...(registered.length === 0 ? [] : ['registered in every rank:', ...registered]),
    evaluationLine(evaluation),
  ].join('\n');
}

function evaluationLine({ datasets, metric, checkpoints }: EvaluationPlan): string {
  const which = typeof checkpoints === 'string' ? checkpoints : `@${checkpoints.join(', @')}`;
  const by = metric === undefined ? 'no figure: the newest counts as the best' : `best by ${metric}`;
  return `evaluated on ${datasets.join(', ')} (checkpoints: ${which}; ${by})`;
}

/** What is fetched or made before the first stage. */
function artifactLines(artifacts: readonly ArtifactPlan[]): string {
  if (artifacts.length === 0) return '';
  const lines = artifacts.map((artifact) => `  ${artifact.name}: ${describeRecipe(artifact)}`);
  return ['', 'brought into S3 before the first stage, where it is not there yet:', ...lines].join('\n');
}

function beginsFrom({ weights, approval }: StagePlan): string {
  return `${source(weights)}${approval === true ? ', once approved' : ''}`;
}

function source(weights: StagePlan['weights']): string {
  switch (weights.kind) {
    case 'checkout':
      return weights.path;
    case 'stage':
      return `final weights of ${weights.stage}`;
    case 'artifact':
      return weights.artifact.name;
    case 'prepared':
      return `artifact ${weights.artifact}`;
  }
}
