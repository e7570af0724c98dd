/** @module `glee schedule list`: each schedule, when it runs next, and what its last execution came to. */
import {
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
  type ScheduleDescription,
} from '@temporalio/client';
import pc from 'picocolors';
import type { ScheduledRunInput, ScheduledRunResult } from '../../contracts/schedule.ts';
import { withClient } from '../shared/client.ts';
import { rootCause } from '../shared/observe-run.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { timeIn, timeZoneOf, whenText } from './when.ts';

interface Row {
  readonly schedule: string;
  readonly config: string;
  readonly when: string;
  readonly timeZone: string;
  readonly overlap: string;
  readonly paused: boolean;
  readonly note: string;
  /** ISO time; null where there is none any more. */
  readonly next: string | null;
  readonly last: Last | null;
  readonly taken: number;
  readonly leftOut: { readonly overlap: number; readonly missed: number };
}

interface Last {
  readonly workflowId: string;
  readonly status: string;
  /** Null where it runs, failed, or is forgotten. */
  readonly result: ScheduledRunResult | null;
  readonly trouble: string | null;
}

export async function listSchedules(options: OutputOptions): Promise<void> {
  const rows = await withClient(async (client) => {
    const found: Row[] = [];
    for await (const { scheduleId, action } of client.schedule.list()) {
      if (action?.workflowType !== 'scheduledRun') continue;
      found.push(await rowOf(client, await client.schedule.getHandle(scheduleId).describe()));
    }
    return found.sort((a, b) => (a.schedule < b.schedule ? -1 : 1));
  });
  print(rows, options, render);
}

async function rowOf(
  client: Client,
  { scheduleId, spec, action, policies, state, info }: ScheduleDescription,
): Promise<Row> {
  const last = info.recentActions.at(-1)?.action.workflow;
  return {
    schedule: scheduleId,
    config: configOf(action.args?.[0]),
    when: whenText(spec),
    timeZone: timeZoneOf(spec),
    overlap: policies.overlap ?? 'SKIP',
    paused: state.paused,
    note: state.note ?? '',
    next: info.nextActionTimes[0]?.toISOString() ?? null,
    last: last === undefined ? null : await lastOf(client, last),
    taken: info.numActionsTaken,
    leftOut: { overlap: info.numActionsSkippedOverlap, missed: info.numActionsMissedCatchupWindow },
  };
}

/** A schedule may have been made by hand. */
function configOf(input: unknown): string {
  if (typeof input !== 'object' || input === null || !('config' in input)) return '';
  return typeof input.config === 'string' ? input.config : '';
}

async function lastOf(
  client: Client,
  { workflowId, firstExecutionRunId }: { readonly workflowId: string; readonly firstExecutionRunId: string },
): Promise<Last> {
  const handle = client.workflow.getHandle<(input: ScheduledRunInput) => Promise<ScheduledRunResult>>(
    workflowId,
    firstExecutionRunId,
  );
  try {
    const { status } = await handle.describe();
    if (status.name === 'RUNNING') return { workflowId, status: 'RUNNING', result: null, trouble: null };
    return { workflowId, status: status.name, result: await handle.result(), trouble: null };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      return { workflowId, status: 'FORGOTTEN', result: null, trouble: null };
    if (!(error instanceof WorkflowFailedError)) throw error;
    return { workflowId, status: 'FAILED', result: null, trouble: rootCause(error) };
  }
}

function render(rows: readonly Row[]): string {
  if (rows.length === 0) return "no schedules yet: 'glee schedule create' makes one";
  return rows.map(renderRow).join('\n');
}

function renderRow({ schedule, config, when, timeZone, paused, note, next, last, leftOut }: Row): string {
  const left = [
    ...(leftOut.overlap > 0 ? [`${leftOut.overlap} while another ran`] : []),
    ...(leftOut.missed > 0 ? [`${leftOut.missed} missed for too long`] : []),
  ];
  return [
    `${pc.bold(schedule)}  ${config}  ${when}${paused ? pc.yellow(`  paused${note === '' ? '' : `: ${note}`}`) : ''}`,
    ...(paused || next === null ? [] : [`  next  ${timeIn(next, timeZone)}`]),
    ...(last === null ? [] : [`  last  ${lastText(last)}`]),
    ...(left.length === 0 ? [] : [`  left out: ${left.join(', ')}`]),
  ].join('\n');
}

function lastText({ workflowId, status, result, trouble }: Last): string {
  if (trouble !== null) return pc.red(`${workflowId} failed: ${trouble}`);
  switch (result?.did) {
    case 'nothing':
      return `${result.run}: did nothing, ${result.why}`;
    case 'run': {
      const { regressions = [], before = '' } = result.comparison ?? {};
      if (regressions.length === 0) return `${result.run}: done`;
      return `${result.run}: ${pc.red(`fell by more than its noise against ${before}: ${regressions.join(', ')}`)}`;
    }
    case 'planned':
    case undefined:
      return `${workflowId}: ${status.toLowerCase()}`;
  }
}
