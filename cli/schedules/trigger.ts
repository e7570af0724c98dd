/** @module `glee schedule trigger`. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ScheduleHandle } from '@temporalio/client';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { knownPolicy, sdkName } from './policies.ts';
import { withSchedule } from './with-schedule.ts';

/** So long the command waits to see the run begin. */
const BEGIN_WAIT_MS = 10_000;

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
