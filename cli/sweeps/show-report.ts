/**
 * @module `glee sweep report`: from what S3 keeps of a sweep that ended, and from the sweep itself while it runs.
 */
import type { ObjectStore } from '../../activities/storage/ports/object-store.ts';
import { readComparison, readSweepPlan, readSweepState } from '../../activities/plans/sweep-objects.ts';
import { sweepReport } from '../../planning/sweeps/sweep-report.ts';
import { compareSweeps } from '../../contracts/leaderboard.ts';
import type { SweepReport } from '../../contracts/sweep-results.ts';
import { withClient } from '../shared/client.ts';
import { printableData, printableJson } from '../shared/printable.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { renderReport, type ReportFormat } from './report.ts';
import { stateOf } from './status.ts';

export interface ReportOptions {
  readonly format: ReportFormat;
  readonly compare?: string;
}

export async function showReport(sweep: string, { format, compare }: ReportOptions): Promise<void> {
  await withBucket(async ({ store }, signal) => {
    const report = await reportOf(store, sweep, signal);
    const before = compare === undefined ? undefined : await reportOf(store, compare, signal);
    const comparison = before
      ? compareSweeps(before, report, report.metric)
      : await readComparison(store, sweep, signal);
    const whole = { ...report, ...(comparison && { comparison }) };
    process.stdout.write(
      format === 'json'
        ? printableJson(renderReport(whole, format))
        : renderReport(printableData(whole), format),
    );
  });
}

async function reportOf(store: ObjectStore, sweep: string, signal: AbortSignal): Promise<SweepReport> {
  const plan = await readSweepPlan(store, sweep, signal);
  const kept = await readSweepState(store, sweep, signal);
  const state = kept ?? (await withClient((client) => stateOf(client, sweep)));
  return sweepReport(sweep, plan, state);
}
