/**
 * @module Sends a person's order to a run, as a Temporal Update: it stands in the run's history, with who and why.
 */
import { hostname, userInfo } from 'node:os';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { ControlKind } from '../../contracts/controls.ts';
import { controlUpdates } from '../../workflows/base/messages.ts';
import { refusalOf, withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { describeKnown, RUNS } from '../shared/known-run.ts';
import { print, type OutputOptions } from '../shared/output.ts';

export interface OrderOptions extends OutputOptions {
  readonly why: string;
  readonly by?: string;
}

export async function sendOrder(
  run: string,
  kind: ControlKind,
  facts: object,
  options: OrderOptions,
): Promise<void> {
  const { why, by = `${userInfo().username}@${hostname()}` } = options;
  await withClient(async (client) => {
    if ((await describeKnown(client, run, [...RUNS, 'trainStage'])) === undefined)
      throw new UserError(`there is no run '${run}': 'glee list' shows those that there are`);
    const handle = client.workflow.getHandle(run);
    try {
      const answer = await handle.executeUpdate(controlUpdates[kind], { args: [{ ...facts, by, why }] });
      print({ run, answer }, options, (said) => `${said.run}: ${said.answer}`);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal !== undefined) throw new UserError(`${run}: ${refusal}`);
      if (error instanceof WorkflowNotFoundError)
        throw new UserError(`no run '${run}' is running: 'glee list' shows those that there are`);
      throw error;
    }
  });
}
