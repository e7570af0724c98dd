/** @module `glee sweep status`. */
import pc from 'picocolors';
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { readComparison } from '../../activities/plans/sweep-objects.ts';
import type { SweepComparison } from '../../contracts/sweep-results.ts';
import { TRIAL_STATUSES, type SweepState } from '../../contracts/sweep.ts';
import { sweepStateQuery } from '../../workflows/base/messages.ts';
import { withClient } from '../shared/client.ts';
import { oneLine, UserError } from '../shared/errors.ts';
import { describeKnown, SWEEPS } from '../shared/known-run.ts';
import { rootCause } from '../shared/observe-run.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { print, printNote, type OutputOptions } from '../shared/output.ts';

export async function sweepStatus(sweep: string, options: OutputOptions): Promise<void> {
  await withClient(async (client) => {
    const view = await viewOf(client, sweep);
    print(view, options, renderSweep);
    if (view.status === 'FAILED' || view.status === 'TERMINATED') process.exitCode = 1;
  });
}

/** Of one that runs, or ran not long ago. */
export async function stateOf(client: Client, sweep: string): Promise<SweepState> {
  await mustKnow(client, sweep);
  return client.workflow.getHandle(sweep).query(sweepStateQuery);
}

/** @throws UserError where there is no such sweep. */
export async function viewOf(client: Client, sweep: string): Promise<SweepView> {
  const { status, runId } = await mustKnow(client, sweep);
  const state = await client.workflow.getHandle(sweep).query(sweepStateQuery);
  const comparison = status.name === 'RUNNING' ? undefined : await comparisonOf(sweep);
  const failed = status.name === 'FAILED' ? await failureOf(client, sweep, runId) : undefined;
  return {
    ...{ sweep, status: status.name, ...state },
    ...(comparison && { comparison }),
    ...(failed !== undefined && { failed }),
  };
}

export async function mustKnow(client: Client, sweep: string): Promise<WorkflowExecutionDescription> {
  const description = await describeKnown(client, sweep, SWEEPS);
  if (description === undefined) throw new UserError(`there is no sweep '${sweep}'`);
  return description;
}

async function failureOf(client: Client, sweep: string, runId: string): Promise<string> {
  try {
    await client.workflow.getHandle(sweep, runId).result();
    return '';
  } catch (error) {
    return error instanceof Error ? rootCause(error) : String(error);
  }
}

/** Only what a schedule has run has one. A bucket that does not answer must not hide how the trials stand. */
async function comparisonOf(sweep: string): Promise<SweepComparison | undefined> {
  let found: SweepComparison | undefined;
  await withBucket(async ({ store }, signal) => {
    found = await readComparison(store, sweep, signal);
  }).catch((error: unknown) => printNote(`how it compares is not known: ${oneLine(error)}`));
  return found;
}

export interface SweepView extends SweepState {
  readonly sweep: string;
  readonly status: string;
  readonly comparison?: SweepComparison;
  /** Why the sweep itself failed. */
  readonly failed?: string;
}

export function renderSweep({ sweep, status, trials, comparison, failed: why }: SweepView): string {
  const counts = TRIAL_STATUSES.map(
    (one) => `${String(trials.filter((trial) => trial.status === one).length)} ${one}`,
  );
  const failed = trials.filter((trial) => trial.status === 'failed').slice(0, 5);
  return [
    `${sweep}  ${status.toLowerCase()}  ${trials.length} trials: ${counts.join(', ')}`,
    ...failed.map(({ id, why }) => `  ${id} failed: ${why ?? ''}`),
    ...(why === undefined ? [] : [pc.red(`  ${why}`)]),
    ...(comparison === undefined ? [] : [comparedText(comparison)]),
  ].join('\n');
}

function comparedText({ before, rows, regressions }: SweepComparison): string {
  if (regressions.length > 0)
    return pc.red(`  fell by more than its noise against ${before}: ${regressions.join(', ')}`);
  const untold = rows.filter(({ verdict }) => verdict === 'unknown').length;
  const note = untold === 0 ? '' : ` (of ${untold} groups it cannot be told: it takes two seeds)`;
  return `  nothing fell by more than its noise against ${before}${note}`;
}
