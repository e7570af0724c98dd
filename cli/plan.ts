/**
 * @module `glee plan`: what a config would run, and all that is wrong with it.
 */
import Table from 'cli-table3';
import pc from 'picocolors';
import { findStart } from '../activities/checkpoints/start-from.ts';
import { openBucket } from '../activities/storage/bucket.ts';
import { readPlanSettings } from '../configs/env.ts';
import { describeProblem } from '../configs/problems.ts';
import { resolveJointPlan } from '../configs/resolve.ts';
import { createS3Client } from '../configs/s3.ts';
import type { Plan, Problem, StagePlan } from '../contracts/plan.ts';
import { describeRecipe, type ArtifactPlan } from '../contracts/weights.ts';
import { print, type OutputOptions } from './output.ts';

export async function plan(config: string, options: OutputOptions): Promise<void> {
  const settings = readPlanSettings();
  // Asked only when the config begins from what another run has trained.
  const bucket = openBucket(createS3Client(), settings.bucket, settings.prefix);
  const forever = new AbortController().signal;
  const { plan: resolved, problems } = await resolveJointPlan({
    ...settings,
    run: 'planned',
    config,
    findArtifact: (run, stage, iterations) =>
      findStart(bucket, { run, stage, ...(iterations !== undefined && { iterations }) }, forever),
  });
  print({ plan: resolved ?? null, problems }, options, render);
  if (problems.some(({ level }) => level === 'error')) process.exitCode = 1;
}

function render({
  plan: resolved,
  problems,
}: {
  readonly plan: Plan | null;
  readonly problems: readonly Problem[];
}): string {
  const lines = problems.map((problem) =>
    (problem.level === 'error' ? pc.red : pc.yellow)(describeProblem(problem)),
  );
  const errors = problems.filter(({ level }) => level === 'error').length;
  const verdict =
    errors > 0
      ? pc.red(`\n${String(errors)} to mend before this can run`)
      : pc.green('\nnothing keeps this from running');
  return [...(resolved === null ? [] : [table(resolved)]), ...lines, verdict].join('\n');
}

function table({ config, variant, stages, artifacts = [] }: Plan): string {
  const rows = new Table({
    head: ['stage', 'GLEE config', 'begins from', 'gang', 'iterations', 'checkpoint every'],
    style: { head: [], border: [] },
  });
  for (const stage of stages) {
    const { hosts, gpusPerHost } = stage.gang;
    const gang = `${String(hosts)} × ${String(gpusPerHost)} GPUs`;
    rows.push([
      stage.stage,
      stage.configFile.replace('projects/GLEE/configs/', ''),
      beginsFrom(stage),
      gang,
      stage.maxIterations,
      stage.checkpointPeriod,
    ]);
  }
  return `${pc.bold(config)}: GLEE-${variant}\n${rows.toString()}${artifactLines(artifacts)}`;
}

/** What is fetched or made before the first stage. */
function artifactLines(artifacts: readonly ArtifactPlan[]): string {
  if (artifacts.length === 0) return '';
  const lines = artifacts.map((artifact) => `  ${artifact.name}: ${describeRecipe(artifact)}`);
  return ['', 'brought into S3 before the first stage, where it is not there yet:', ...lines].join('\n');
}

function beginsFrom({ weights }: StagePlan): string {
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
