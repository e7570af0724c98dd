/** @module `glee schedule pause` and `resume`. */
import { print, type OutputOptions } from '../shared/output.ts';
import { timeIn, timeZoneOf } from './when.ts';
import { withSchedule } from './with-schedule.ts';

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
        ? `paused: ${why}. What runs continues`
        : `continues: ${why}${next === undefined ? '' : `, next ${timeIn(next.toISOString(), timeZoneOf(spec))}`}`;
    print({ schedule, paused: action === 'pause', why }, options, () => `${schedule}: ${text}`);
  });
}
