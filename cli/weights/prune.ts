/**
 * @module `glee weights prune`: removes from S3 what nothing refers to, and nothing that Temporal may still be using.
 */
import pc from 'picocolors';
import { isRunning } from '../../activities/support/is-running.ts';
import { durationMs } from '../../planning/reading/durations.ts';
import { withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { pruneBucket, type Pruned } from './prune-bucket.ts';
import { sizeText } from '../../contracts/sizes.ts';

export interface PruneOptions extends OutputOptions {
  readonly dryRun?: boolean;
  /** Also whole artifacts that no run's plan names. */
  readonly unused?: boolean;
  /** Of those, the ones that were brought so long ago, as `7d`. */
  readonly olderThan: string;
}

export async function prune(options: PruneOptions): Promise<void> {
  const { dryRun = false, unused = false, olderThan } = options;
  const ageMs = durationMs(olderThan);
  if (ageMs === undefined) throw new UserError(`--older-than '${olderThan}' is no duration: write 12h or 7d`);
  // Temporal first: without it no one knows what is in use, and nothing is removed.
  await withClient((client, address) =>
    withBucket(async (bucket, signal) => {
      const temporal = {
        isRunning: (id: string) => isRunning(client, id),
        isPreparing: async () =>
          (await client.workflow.count("WorkflowType = 'prepareWeights' AND ExecutionStatus = 'Running'"))
            .count > 0,
      };
      const how = { dryRun, ...(unused && { unusedBeforeMs: Date.now() - ageMs }) };
      const pruned = await pruneBucket(bucket, temporal, how, signal);
      print({ ...pruned, temporal: address }, options, render);
    }),
  );
}

function render({
  dryRun,
  removed,
  sizeBytes,
  kept,
  temporal,
}: Pruned & { readonly temporal: string }): string {
  const lines = removed.map(
    ({ what, object, sizeBytes: size }) => `  ${sizeText(size).padStart(8)}  ${what}  ${object}`,
  );
  const verb = dryRun ? 'would remove' : 'removed';
  const total = removed.length === 0 ? `nothing to remove` : `${verb} ${sizeText(sizeBytes)}:`;
  return [
    total,
    ...lines,
    ...kept.map(({ artifact, why }) => pc.dim(`  kept  ${artifact}: ${why}`)),
    pc.dim(`what runs was asked of Temporal at ${temporal}`),
  ].join('\n');
}
