/**
 * @module `glee cancel`: ends a run; what it has saved stays, and a start under the same id continues from there.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { describeKnown, RUNS, SWEEPS } from '../shared/known-run.ts';
import { print, type OutputOptions } from '../shared/output.ts';

const WAIT_MS = 60_000;

export async function cancel(run: string, options: OutputOptions): Promise<void> {
  await withClient(async (client) => {
    const before = await describeKnown(client, run, [...RUNS, ...SWEEPS, 'scheduledRun']);
    if (before === undefined)
      throw new UserError(`there is no run '${run}': 'glee list' shows those that there are`);
    if (before.status.name !== 'RUNNING')
      throw new UserError(`run '${run}' is not running: it is ${before.status.name.toLowerCase()}`);
    await client.workflow.getHandle(run).cancel();
    const deadline = Date.now() + WAIT_MS;
    let status: string = before.status.name;
    while (status === 'RUNNING' && Date.now() < deadline) {
      await delay(300);
      status = (await client.workflow.getHandle(run).describe()).status.name;
    }
    print({ run, status }, options, renderCancel);
  });
}

function renderCancel({ run, status }: { readonly run: string; readonly status: string }): string {
  if (status === 'RUNNING')
    return `asked '${run}' to stop; its trainers are still being ended: glee status ${run}`;
  return `run '${run}' is ${status.toLowerCase()}; its checkpoints stay in S3`;
}
