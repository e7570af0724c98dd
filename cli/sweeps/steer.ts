/**
 * @module Sweeps begun, looked at and steered.
 */
import pc from 'picocolors';
import { setTimeout as delay } from 'node:timers/promises';
import {
  WorkflowExecutionAlreadyStartedError,
  type Client,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import { readComparison } from '../../activities/plans/sweep-objects.ts';
import { CONTROL_TASK_QUEUE, runIdProblem } from '../../contracts/ids.ts';
import {
  TRIAL_STATUSES,
  type SweepComparison,
  type SweepState,
  type TrialOrder,
} from '../../contracts/sweep.ts';
import { promoteTrialUpdate, stopTrialUpdate, sweepStateQuery } from '../../workflows/base/messages.ts';
import { refusalOf, withClient } from '../shared/client.ts';
import { oneLine, UserError } from '../shared/errors.ts';
import { describeKnown, SWEEPS } from '../shared/known-run.ts';
import { rootCause } from '../shared/observe-run.ts';
import { print, printNote, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';

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
    const view = await planned(client, sweep);
    print({ ...view, config }, options, (seen) => `${render(seen)}\n\nfollow it: glee sweep status ${sweep}`);
    if (view.status === 'FAILED') process.exitCode = 1;
  });
}

/** So long the command waits to hear that the plan is sound; the sweep goes on either way. */
const PLAN_WAIT_MS = 20_000;

async function planned(client: Client, sweep: string): Promise<SweepView> {
  for (const deadline = Date.now() + PLAN_WAIT_MS; ;) {
    await delay(300);
    // Before a control worker has taken it, nobody answers.
    const view = await viewOf(client, sweep).catch((error: unknown) => {
      if (error instanceof UserError) throw error;
      return { sweep, status: 'RUNNING', trials: [], added: [] };
    });
    if (view.status !== 'RUNNING' || view.trials.length > 0 || Date.now() > deadline) return view;
  }
}

export async function sweepStatus(sweep: string, options: OutputOptions): Promise<void> {
  await withClient(async (client) => {
    const view = await viewOf(client, sweep);
    print(view, options, render);
    if (view.status === 'FAILED' || view.status === 'TERMINATED') process.exitCode = 1;
  });
}

/** Of one that runs, or ran not long ago. */
export async function stateOf(client: Client, sweep: string): Promise<SweepState> {
  await mustKnow(client, sweep);
  return client.workflow.getHandle(sweep).query(sweepStateQuery);
}

async function viewOf(client: Client, sweep: string): Promise<SweepView> {
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

async function mustKnow(client: Client, sweep: string): Promise<WorkflowExecutionDescription> {
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

export async function orderTrial(
  sweep: string,
  order: 'stop' | 'promote',
  said: TrialOrder,
  options: OutputOptions,
): Promise<void> {
  await withClient(async (client) => {
    const update = order === 'stop' ? stopTrialUpdate : promoteTrialUpdate;
    try {
      const { status } = await mustKnow(client, sweep);
      if (status.name !== 'RUNNING')
        throw new UserError(`sweep '${sweep}' runs no more: it is ${status.name.toLowerCase()}`);
      const answer = await client.workflow.getHandle(sweep).executeUpdate(update, { args: [said] });
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
  /** Why the sweep itself failed. */
  readonly failed?: string;
}

function render({ sweep, status, trials, comparison, failed: why }: SweepView): string {
  const counts = TRIAL_STATUSES.map(
    (one) => `${String(trials.filter((trial) => trial.status === one).length)} ${one}`,
  );
  const failed = trials.filter((trial) => trial.status === 'failed').slice(0, 5);
  return [
    `${sweep}  ${status.toLowerCase()}  ${String(trials.length)} trials: ${counts.join(', ')}`,
    ...failed.map(({ id, why }) => `  ${id} failed: ${why ?? ''}`),
    ...(why === undefined ? [] : [pc.red(`  ${why}`)]),
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
