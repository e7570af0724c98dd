/**
 * @module `glee sweep report`: from what S3 keeps of a sweep that ended, and from the sweep itself while it runs.
 */
import { openBucket } from '../../activities/storage/bucket.ts';
import type { ObjectStore } from '../../activities/storage/object-store.ts';
import { readComparison, readSweepPlan, readSweepState } from '../../activities/sweeps/sweep-objects.ts';
import { readPlanSettings } from '../../configs/env.ts';
import { createS3Client } from '../../configs/s3.ts';
import { sweepReport } from '../../configs/sweep-report.ts';
import { compareSweeps } from '../../contracts/leaderboard.ts';
import type { SweepReport } from '../../contracts/sweep.ts';
import { withClient } from '../client.ts';
import { oneLine, UserError } from '../errors.ts';
import { renderReport, type ReportFormat } from './report.ts';
import { stateOf } from './steer.ts';

export interface ReportOptions {
  readonly format: ReportFormat;
  readonly compare?: string;
}

export async function showReport(sweep: string, { format, compare }: ReportOptions): Promise<void> {
  const settings = readPlanSettings();
  const { store } = openBucket(createS3Client(), settings.bucket, settings.prefix);
  const report = await reportOf(store, sweep);
  const before = compare === undefined ? undefined : await reportOf(store, compare);
  const comparison = before
    ? compareSweeps(before, report, report.metric)
    : await readComparison(store, sweep, new AbortController().signal);
  process.stdout.write(renderReport({ ...report, ...(comparison && { comparison }) }, format));
}

async function reportOf(store: ObjectStore, sweep: string): Promise<SweepReport> {
  const forever = new AbortController().signal;
  const plan = await readSweepPlan(store, sweep, forever).catch((error: unknown) => {
    throw new UserError(oneLine(error));
  });
  const kept = await readSweepState(store, sweep, forever);
  const state = kept ?? (await withClient((client) => stateOf(client, sweep)));
  return sweepReport(sweep, plan, state);
}
