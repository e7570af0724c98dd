/** @module Schedules paused, resumed, triggered, backfilled and deleted. */
import type { Client, ScheduleDescription, ScheduleHandle } from '@temporalio/client';
import proto from '@temporalio/proto';
import { setTimeout as delay } from 'node:timers/promises';
import { OVERLAP_POLICIES, policyOf, type OverlapPolicy } from '../../planning/schedules/schedule-times.ts';
import { alternatives } from '../../planning/reading/problems.ts';
import { withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { findSchedule } from './find.ts';
import { sdkName } from './policies.ts';
import { timeIn, timeZoneOf } from './when.ts';

/** So long the command waits to see what was asked for begin. */
const BEGIN_WAIT_MS = 10_000;

export async function pauseSchedule(
  schedule: string,
  action: 'pause' | 'resume',
  why: string,
  options: OutputOptions,
): Promise<void> {
  await withSchedule(schedule, async (handle, { info, spec }) => {
    await (action === 'pause' ? handle.pause(why) : handle.unpause(why));
    const [next] = info.nextActionTimes;
    const text =
      action === 'pause'
        ? `paused: ${why}. What runs goes on`
        : `goes on: ${why}${next === undefined ? '' : `, next ${timeIn(next.toISOString(), timeZoneOf(spec))}`}`;
    print({ schedule, paused: action === 'pause', why }, options, () => `${schedule}: ${text}`);
  });
}

export interface TriggerOptions extends OutputOptions {
  readonly overlap?: string;
}

export async function triggerSchedule(
  schedule: string,
  { overlap, ...options }: TriggerOptions,
): Promise<void> {
  const asked = overlap === undefined ? undefined : sdkName(knownPolicy(overlap));
  await withSchedule(schedule, async (handle, { info, policies }) => {
    const policy = asked ?? policies.overlap;
    const running = info.runningActions.at(-1)?.workflow.workflowId;
    if (running !== undefined && policy === 'SKIP') {
      throw new UserError(
        `${schedule}: '${running}' still runs, and its policy is to skip meanwhile: say --overlap buffer-one or allow-all`,
      );
    }
    await handle.trigger(policy);
    const begun = await beginning(handle, info.numActionsTaken);
    print({ schedule, begun: begun ?? null }, options, () =>
      begun === undefined
        ? `${schedule}: begins when ${running ?? 'there is room'} has ended`
        : `${schedule}: begun as ${begun}; see: glee schedule list`,
    );
  });
}

export interface BackfillOptions extends OutputOptions {
  readonly from: string;
  readonly to: string;
  readonly overlap: string;
}

export async function backfillSchedule(
  schedule: string,
  { from, to, overlap, ...options }: BackfillOptions,
): Promise<void> {
  const policy = knownPolicy(overlap);
  const [start, end] = [timeOf('--from', from), timeOf('--to', to)];
  if (start >= end) throw new UserError('--from must be before --to');
  if (end.getTime() > Date.now())
    throw new UserError('--to must not be in the future: those times come by themselves');
  await withSchedule(schedule, async (handle, _, client) => {
    const times = await matching(client, schedule, start, end);
    if (times === 0) throw new UserError(`${schedule} has no time from ${from} to ${to}`);
    await handle.backfill({ start, end, overlap: sdkName(policy) });
    print({ schedule, times, overlap: policy }, options, () => {
      const how = policy === 'buffer-all' ? 'one after the other' : `by the overlap policy ${policy}`;
      return `${schedule}: ${String(times)} missed ${times === 1 ? 'time is' : 'times are'} run ${how}`;
    });
  });
}

export async function deleteSchedule(schedule: string, options: OutputOptions): Promise<void> {
  await withSchedule(schedule, async (handle, { info }) => {
    await handle.delete();
    const running = info.runningActions.map(({ workflow }) => workflow.workflowId);
    const rest = running.length === 0 ? '' : `; ${running.join(', ')} goes on, and glee cancel stops it`;
    print({ schedule, running }, options, () => `${schedule}: deleted; what it has trained stays${rest}`);
  });
}

async function withSchedule(
  schedule: string,
  deed: (handle: ScheduleHandle, now: ScheduleDescription, client: Client) => Promise<void>,
): Promise<void> {
  await withClient(async (client) => {
    const now = await findSchedule(client, schedule);
    if (now === undefined)
      throw new UserError(
        `there is no schedule '${schedule}': 'glee schedule list' shows those that there are`,
      );
    await deed(client.schedule.getHandle(schedule), now, client);
  });
}

/** Workflow id of the action that was taken since; undefined while none was. */
async function beginning(handle: ScheduleHandle, taken: number): Promise<string | undefined> {
  for (const deadline = Date.now() + BEGIN_WAIT_MS; Date.now() < deadline;) {
    const { info } = await handle.describe();
    if (info.numActionsTaken > taken) return info.recentActions.at(-1)?.action.workflow.workflowId;
    if (info.runningActions.length > 0) return undefined;
    await delay(200);
  }
  return undefined;
}

async function matching(client: Client, scheduleId: string, start: Date, end: Date): Promise<number> {
  const { workflowService, options } = client;
  const { startTime } = await workflowService.listScheduleMatchingTimes({
    namespace: options.namespace,
    scheduleId,
    startTime: timestamp(start),
    endTime: timestamp(end),
  });
  return startTime.length;
}

function timestamp(time: Date) {
  return proto.google.protobuf.Timestamp.fromObject({ seconds: Math.floor(time.getTime() / 1000) });
}

function timeOf(option: string, text: string): Date {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime()) && /^\d{4}-\d\d-\d\d/.test(text)) return time;
  throw new UserError(`${option} '${text}' is no time: write it as 2026-11-01 or 2026-11-01T03:00:00+01:00`);
}

function knownPolicy(text: string): OverlapPolicy {
  const policy = policyOf(text);
  if (policy !== undefined) return policy;
  throw new UserError(`--overlap '${text}' is none: say ${alternatives(OVERLAP_POLICIES)}`);
}
