/** @module A schedule by its name. */
import { ScheduleNotFoundError, type Client, type ScheduleDescription } from '@temporalio/client';

/** As it is now; undefined where there is none. */
export async function findSchedule(
  client: Client,
  schedule: string,
): Promise<ScheduleDescription | undefined> {
  return client.schedule
    .getHandle(schedule)
    .describe()
    .catch((error: unknown) => {
      if (error instanceof ScheduleNotFoundError) return undefined;
      throw error;
    });
}
