/**
 * @module Sweeps begun, looked at and steered.
 */
import pc from 'picocolors';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { readComparison } from '../../activities/sweeps/sweep-objects.ts';
import { CONTROL_TASK_QUEUE, runIdProblem } from '../../contracts/ids.ts';
import {
  TRIAL_STATUSES,
  type SweepComparison,
  type SweepState,
  type TrialOrder,
} from '../../contracts/sweep.ts';
import { promoteTrialUpdate, stopTrialUpdate, sweepStateQuery } from '../../workflows/messages.ts';
import { refusalOf, withClient } from '../client.ts';
import { oneLine, UserError } from '../errors.ts';
import { print, printNote, type OutputOptions } from '../output.ts';
import { withBucket } from '../weights/bucket.ts';

export async function startSweep(config: string, sweep: string, options: OutputOptions): Promise<void> {
  const problem = runIdProblem(sweep);
  if (problem !== undefined) throw new UserError(problem);
  await withClient(async (client) => {
    try {
      await client.workflow.start('fineTuneSweep', {
        workflowId: sweep,
        taskQueue: CONTROL_TASK_QUEUE,
        args: [{ config }],
        staticSummary: `sweep, ${config}`,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      throw new UserError(`sweep '${sweep}' is running already: 'glee sweep status ${sweep}' shows it`);
    }
    print({ sweep, config }, options, () => `begun; follow it: glee sweep status ${sweep}`);
  });
}

export async function sweepStatus(sweep: string, options: OutputOptions): Promise<void> {
  await withClient(async (client) => {
    const { status } = await known(sweep, client.workflow.getHandle(sweep).describe());
    const state = await stateOf(client, sweep);
    const comparison = status.name === 'RUNNING' ? undefined : await comparisonOf(sweep);
    print({ sweep, status: status.name, ...state, ...(comparison && { comparison }) }, options, render);
  });
}

/** Of one that runs, or ran not long ago. */
export async function stateOf(client: Client, sweep: string): Promise<SweepState> {
  return known(sweep, client.workflow.getHandle(sweep).query(sweepStateQuery));
}

export async function orderTrial(
  sweep: string,
  order: 'stop' | 'promote',
  said: TrialOrder,
  options: OutputOptions,
): Promise<void> {
  await withClient(async (client) => {
    const update = order === 'stop' ? stopTrialUpdate : promoteTrialUpdate;
    try {
      const handle = client.workflow.getHandle(sweep);
      const answer = await known(sweep, handle.executeUpdate(update, { args: [said] }));
      print({ sweep, answer }, options, renderAnswer);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal !== undefined) throw new UserError(`${sweep}: ${refusal}`);
      throw error;
    }
  });
}

export function renderAnswer({ sweep, answer }: { readonly sweep: string; readonly answer: string }): string {
  return `${sweep}: ${answer}`;
}

/** Only what a schedule has run has one. A bucket that does not answer must not hide how the trials stand. */
async function comparisonOf(sweep: string): Promise<SweepComparison | undefined> {
  let found: SweepComparison | undefined;
  await withBucket(async ({ store }, signal) => {
    found = await readComparison(store, sweep, signal);
  }).catch((error: unknown) => printNote(`how it compares is not known: ${oneLine(error)}`));
  return found;
}

interface SweepView extends SweepState {
  readonly sweep: string;
  readonly status: string;
  readonly comparison?: SweepComparison;
}

function render({ sweep, status, trials, comparison }: SweepView): string {
  const counts = TRIAL_STATUSES.map(
    (one) => `${String(trials.filter((trial) => trial.status === one).length)} ${one}`,
  );
  const failed = trials.filter((trial) => trial.status === 'failed').slice(0, 5);
  return [
    `${sweep}  ${status.toLowerCase()}  ${String(trials.length)} trials: ${counts.join(', ')}`,
    ...failed.map(({ id, why }) => `  ${id} failed: ${why ?? ''}`),
    ...(comparison === undefined ? [] : [comparedText(comparison)]),
  ].join('\n');
}

function comparedText({ before, rows, regressions }: SweepComparison): string {
  if (regressions.length > 0)
    return pc.red(`  fell by more than its noise against ${before}: ${regressions.join(', ')}`);
  const untold = rows.filter(({ verdict }) => verdict === 'unknown').length;
  const note = untold === 0 ? '' : ` (of ${String(untold)} groups it cannot be told: it takes two seeds)`;
  return `  nothing fell by more than its noise against ${before}${note}`;
}

async function known<T>(sweep: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw new UserError(`there is no sweep '${sweep}'`);
    throw error;
  }
}
