/** @module `glee schedule backfill`. */
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { knownPolicy, sdkName } from './policies.ts';
import { withSchedule } from './with-schedule.ts';

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
      return `${schedule}: ${times} missed ${times === 1 ? 'time is' : 'times are'} run ${how}`;
    });
  });
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
  throw new UserError(
    `${option} '${text}' is not a time: write it as 2026-11-01 or 2026-11-01T03:00:00+01:00`,
  );
}
