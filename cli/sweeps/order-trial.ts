/** @module `glee sweep stop` and `promote`. */
import type { TrialOrder } from '../../contracts/sweep.ts';
import { promoteTrialUpdate, stopTrialUpdate } from '../../workflows/base/messages.ts';
import { refusalOf, withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { mustKnow } from './status.ts';

export async function orderTrial(
  sweep: string,
  order: 'stop' | 'promote',
  said: TrialOrder,
  options: OutputOptions,
): Promise<void> {
  await withClient(async (client) => {
    const update = order === 'stop' ? stopTrialUpdate : promoteTrialUpdate;
    try {
      const { status } = await mustKnow(client, sweep);
      if (status.name !== 'RUNNING')
        throw new UserError(`sweep '${sweep}' does not run any more: it is ${status.name.toLowerCase()}`);
      const answer = await client.workflow.getHandle(sweep).executeUpdate(update, { args: [said] });
      print({ sweep, answer }, options, renderAnswer);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal !== undefined) throw new UserError(`${sweep}: ${refusal}`);
      throw error;
    }
  });
}

export function renderAnswer({ sweep, answer }: { readonly sweep: string; readonly answer: string }): string {
  return `${sweep}: ${answer}`;
}
