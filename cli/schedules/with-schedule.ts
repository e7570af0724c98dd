/** @module A schedule that a command works on. */
import type { Client, ScheduleDescription, ScheduleHandle } from '@temporalio/client';
import { withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { findSchedule } from './find.ts';

/** @throws UserError where there is none. */
export async function withSchedule(
  schedule: string,
  work: (handle: ScheduleHandle, now: ScheduleDescription, client: Client) => Promise<void>,
): Promise<void> {
  await withClient(async (client) => {
    const now = await findSchedule(client, schedule);
    if (now === undefined)
      throw new UserError(
        `there is no schedule '${schedule}': 'glee schedule list' shows those that there are`,
      );
    await work(client.schedule.getHandle(schedule), now, client);
  });
}
