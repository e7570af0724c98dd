/** @module `glee schedule create`: all is checked before anything is made. */
import { ScheduleAlreadyRunning, type Client } from '@temporalio/client';
import pc from 'picocolors';
import type { AskedTimes, ScheduleTimes } from '../../planning/schedules/schedule-times.ts';
import { CONTROL_TASK_QUEUE, scheduleNameProblem } from '../../contracts/ids.ts';
import { withClient } from '../shared/client.ts';
import { duration } from '../shared/durations.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { findSchedule } from './find.ts';
import { planOnWorker } from './plan-on-worker.ts';
import { sdkName } from './policies.ts';
import { readTimes } from './time-options.ts';
import { timeIn } from './when.ts';

export interface CreateOptions extends AskedTimes, OutputOptions {
  readonly paused?: boolean;
}

interface Created {
  readonly schedule: string;
  readonly config: string;
  readonly times: ScheduleTimes;
  readonly follows: readonly string[];
  readonly paused: boolean;
  /** ISO times. */
  readonly next: readonly string[];
}

export async function createSchedule(
  schedule: string,
  config: string,
  options: CreateOptions,
): Promise<void> {
  const times = readTimes(options);
  const problem = scheduleNameProblem(schedule);
  if (problem !== undefined) throw new UserError(problem);
  await withClient(async (client) => {
    if ((await findSchedule(client, schedule)) !== undefined) throw inUse(schedule);
    const follows = await planOnWorker(client, schedule, config);
    const paused = options.paused === true;
    await make(client, schedule, config, times, paused);
    const { info } = await client.schedule.getHandle(schedule).describe();
    const next = info.nextActionTimes.slice(0, 3).map((time) => time.toISOString());
    print<Created>({ schedule, config, times, follows, paused, next }, options, render);
  });
}

async function make(
  client: Client,
  schedule: string,
  config: string,
  { cron, intervals, timeZone, overlap, jitterMs, catchUpMs }: ScheduleTimes,
  paused: boolean,
): Promise<void> {
  try {
    await client.schedule.create({
      scheduleId: schedule,
      spec: {
        // What stands behind '#' is kept as the comment of the calendar that the server makes of it.
        cronExpressions: cron.map((text) => `${text} # ${text}`),
        intervals: intervals.map(({ everyMs, offsetMs }) => ({ every: everyMs, offset: offsetMs })),
        timezone: timeZone,
        ...(jitterMs > 0 && { jitter: jitterMs }),
      },
      action: {
        type: 'startWorkflow',
        workflowType: 'scheduledRun',
        workflowId: schedule,
        taskQueue: CONTROL_TASK_QUEUE,
        args: [{ config }],
        staticSummary: `${schedule}: ${config}`,
      },
      policies: { overlap: sdkName(overlap), catchupWindow: catchUpMs },
      state: { paused },
    });
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) throw inUse(schedule);
    // What the server says of times that were let through here.
    if (error instanceof TypeError) throw new UserError(`Temporal refuses these times: ${error.message}`);
    throw error;
  }
}

function inUse(schedule: string): UserError {
  return new UserError(
    `there is a schedule '${schedule}' already: 'glee schedule list' shows it; take another name, or delete that one first`,
  );
}

function render({ schedule, config, times, follows, paused, next }: Created): string {
  const { timeZone, overlap, catchUpMs, jitterMs } = times;
  const jitter = jitterMs > 0 ? `, up to ${duration(jitterMs / 1000)} later` : '';
  return [
    `${pc.bold(schedule)}: ${config}, ${overlap === 'skip' ? 'left out while the one before runs' : `overlap policy ${overlap}`}${jitter}`,
    `  missed times are caught up for ${duration(catchUpMs / 1000)}, then left out`,
    follows.length === 0
      ? '  follows no run: it trains each time'
      : `  follows ${follows.join(', ')}: it trains when there are newer final weights, or the config has changed`,
    ...(next.length === 0
      ? [pc.yellow('  Temporal knows no time at which it will run')]
      : next.map((time, index) => `  ${index === 0 ? 'next' : '    '}  ${timeIn(time, timeZone)}`)),
    ...(paused ? [`  paused: glee schedule resume ${schedule} --why …`] : []),
    `\nnow: glee schedule trigger ${schedule}`,
  ].join('\n');
}
