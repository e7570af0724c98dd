/**
 * @module Sweeps that follow a training: 'the newest final weights of that run' are looked up once, when the sweep is
 * planned, so that all its trials begin from the same ones.
 */
import type { Problem } from '../../contracts/plan.ts';
import type { SweepPlan, SweepStart } from '../../contracts/sweep.ts';
import { ConfigError } from '../reading/problems.ts';
import { newestFinal, noFinalWeights, type FindArtifact } from '../resolve-weights.ts';
import { expandSweep, followedRun, trialSettings } from './sweep-space.ts';

/**
 * The plan with what its trials begin from.
 * @throws ConfigError where a run that is followed has no final weights.
 */
export async function withStarts(plan: SweepPlan, findArtifact: FindArtifact): Promise<SweepPlan> {
  const runs = followedRuns(plan);
  if (runs.length === 0) return plan;
  const found = await Promise.all(runs.map(async (run) => [run, await startOf(run, findArtifact)] as const));
  const missing = found.flatMap(([run, start]): Problem[] =>
    start === undefined
      ? [{ level: 'error', file: plan.config, key: 'weights.run', message: noFinalWeights(run) }]
      : [],
  );
  if (missing.length > 0) throw new ConfigError(missing);
  const starts = found.flatMap(([run, start]) => (start === undefined ? [] : [[run, start] as const]));
  return { ...plan, starts: Object.fromEntries(starts) };
}

/** Runs whose newest final weights trials begin from, sorted. */
export function followedRuns(plan: SweepPlan): readonly string[] {
  const runs = new Set<string>();
  for (const { parameters } of expandSweep(plan).trials()) {
    const run = followedRun(trialSettings({ base: plan.base }, parameters).weights);
    if (run !== undefined) runs.add(run);
  }
  return [...runs].sort();
}

/** The newest final weights of a run as they are now; undefined where it has none. */
export async function startOf(run: string, findArtifact: FindArtifact): Promise<SweepStart | undefined> {
  const artifact = (await newestFinal(run, findArtifact))?.artifact;
  if (artifact === undefined) return undefined;
  const { name, iterations, sha256 } = artifact;
  // A stage that was skipped has the name of the checkpoint that was taken in its place.
  return { from: name.includes('@') ? name : `${name}@${iterations}`, sha256 };
}
