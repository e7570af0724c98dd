/** @module `glee checkpoints prune`: removes what is not kept, and what crashes have left. */
import pc from 'picocolors';
import {
  findRemovable,
  prune,
  type PruneOptions,
  type Removable,
} from '../../activities/checkpoints/prune.ts';
import { unpinEnded } from '../../activities/checkpoints/evaluation-pins.ts';
import type { StageKey } from '../../activities/checkpoints/snapshot.ts';
import { isRunning } from '../../activities/support/is-running.ts';
import type { Bucket } from '../../activities/storage/bucket.ts';
import { planSchema, readObject } from '../../activities/storage/schemas.ts';
import { DEFAULT_RETENTION, type Retention } from '../../contracts/checkpoints.ts';
import { keys, stageWorkflowId } from '../../contracts/ids.ts';
import { withClient } from '../shared/client.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { sizeText } from '../../contracts/sizes.ts';
import { refOf, stagesOf } from './stages.ts';

export interface PruneCommandOptions extends OutputOptions {
  readonly dryRun?: boolean;
  readonly keep?: number;
  readonly every?: number;
  /** Milliseconds. */
  readonly grace: number;
}

interface Pruned {
  readonly stage: string;
  readonly running: boolean | 'unknown';
  readonly dryRun: boolean;
  readonly expired: readonly string[];
  readonly garbage: readonly string[];
  readonly uploads: number;
  readonly freedBytes: number;
}

export async function pruneStages(of: string | undefined, options: PruneCommandOptions): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const stages = await stagesOf(bucket, of, signal);
    const running = await whichRun(stages);
    const pruned: Pruned[] = [];
    for (const [index, stage] of stages.entries()) {
      const runs = running[index] ?? 'unknown';
      if (options.dryRun !== true && runs !== 'unknown')
        await withClient((client) =>
          unpinEnded(bucket, stage, (workflow) => isRunning(client, workflow), signal),
        );
      const how: PruneOptions = {
        retention: await retentionOf(bucket, stage, options, signal),
        // Not to know is no proof of an end.
        running: runs !== false,
        graceMs: options.grace,
      };
      const act = options.dryRun === true ? findRemovable : prune;
      pruned.push(summary(stage, runs, options, await act(bucket, stage, how, signal)));
    }
    print(pruned, options, render);
  });
}

/** Asked of Temporal; `unknown` for all where it does not answer. */
async function whichRun(stages: readonly StageKey[]): Promise<readonly (boolean | 'unknown')[]> {
  try {
    return await withClient(async (client) =>
      Promise.all(stages.map(({ run, stage }) => isRunning(client, stageWorkflowId(run, stage)))),
    );
  } catch {
    return stages.map(() => 'unknown');
  }
}

async function retentionOf(
  { store }: Bucket,
  { run, stage }: StageKey,
  { keep, every }: PruneCommandOptions,
  signal: AbortSignal,
): Promise<Retention> {
  const plan = await readObject(store, keys.plan(run), planSchema, signal).catch(() => undefined);
  const planned = plan?.value.stages.find((one) => one.stage === stage)?.retention ?? DEFAULT_RETENTION;
  return { ...planned, ...(keep !== undefined && { newest: keep }), ...(every !== undefined && { every }) };
}

function summary(
  { run, stage }: StageKey,
  running: boolean | 'unknown',
  { dryRun = false }: PruneCommandOptions,
  { expired, garbage, uploads, freedBytes }: Removable,
): Pruned {
  return {
    stage: `${run}/${stage}`,
    running,
    dryRun,
    expired: expired.map(refOf),
    garbage: garbage.map(({ name }) => name),
    uploads: uploads.length,
    freedBytes,
  };
}

function render(stages: readonly Pruned[]): string {
  const lines = stages.flatMap(({ stage, running, dryRun, expired, garbage, uploads, freedBytes }) => {
    const does = dryRun ? 'would remove' : 'removed';
    const unknown =
      running === 'unknown' ? pc.yellow('  (Temporal does not say whether it runs: taken as running)') : '';
    if (expired.length + garbage.length + uploads === 0) return unknown === '' ? [] : [`${stage}${unknown}`];
    return [
      `${pc.bold(stage)}: ${does} ${sizeText(freedBytes)}${unknown}`,
      ...expired.map((ref) => `  ${ref}  not kept by the retention`),
      ...garbage.map((name) => `  ${name}  left by a crash`),
      ...(uploads === 0 ? [] : [`  ${uploads} unfinished uploads`]),
    ];
  });
  return lines.length === 0 ? 'nothing to remove' : lines.join('\n');
}
