/** @module `glee schedule delete`. */
import { print, type OutputOptions } from '../shared/output.ts';
import { withSchedule } from './with-schedule.ts';

export async function deleteSchedule(schedule: string, options: OutputOptions): Promise<void> {
  await withSchedule(schedule, async (handle, { info }) => {
    await handle.delete();
    const running = info.runningActions.map(({ workflow }) => workflow.workflowId);
    const rest = running.length === 0 ? '' : `; ${running.join(', ')} continues, and glee cancel stops it`;
    print({ schedule, running }, options, () => `${schedule}: deleted; what it has trained stays${rest}`);
  });
}
