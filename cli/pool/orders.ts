/** @module `glee pool cordon`, `uncordon`, `drain`, `clear` and `reload`. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { poolWorkflowId } from '../../contracts/ids.ts';
import type { HostOrder, PoolSettings } from '../../contracts/pool.ts';
import type { HostView } from '../../contracts/pool-view.ts';
import {
  clearUpdate,
  cordonUpdate,
  drainUpdate,
  reloadUpdate,
  uncordonUpdate,
} from '../../workflows/base/messages.ts';
import { refusalOf, withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { conditionText } from './render.ts';

const UPDATES = {
  cordon: cordonUpdate,
  uncordon: uncordonUpdate,
  drain: drainUpdate,
  clear: clearUpdate,
} as const;

type OrderName = keyof typeof UPDATES;

export async function giveOrder(
  pool: string,
  order: OrderName,
  said: HostOrder,
  options: OutputOptions,
): Promise<void> {
  await withClient(async (client) => {
    const host = await accepted(pool, () =>
      handleOf(client, pool).executeUpdate(UPDATES[order], { args: [said] }),
    );
    print(host, options, renderHost);
  });
}

export async function reload(pool: string, by: string, options: OutputOptions): Promise<void> {
  await withClient(async (client) => {
    const settings = await accepted(pool, () =>
      handleOf(client, pool).executeUpdate(reloadUpdate, { args: [{ by }] }),
    );
    print(settings, options, (read) => renderSettings(pool, read));
  });
}

function handleOf(client: Client, pool: string) {
  return client.workflow.getHandle(poolWorkflowId(pool));
}

/** @throws UserError with what the pool said, where it refused. */
export async function accepted<T>(pool: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new UserError(
        `there is no pool '${pool}': it begins when a host joins it, or a run asks it for hosts`,
      );
    const refusal = refusalOf(error);
    if (refusal !== undefined) throw new UserError(`refused: ${refusal}`);
    throw error;
  }
}

function renderHost(host: HostView): string {
  const holders = [...new Set(host.leases.map(({ holder }) => holder))];
  const held = holders.length === 0 ? 'no one holds it' : `held by ${holders.join(', ')}`;
  return `${host.name}: ${conditionText(host)}; ${held}`;
}

function renderSettings(pool: string, settings: PoolSettings): string {
  const { heartbeatTimeoutMs, ageAfterMs, yieldWithinMs, strikes, quotas } = settings;
  const teams = Object.entries(quotas).map(([team, gpus]) => `${team} ${gpus}`);
  return [
    `pool '${pool}' goes by`,
    `  heartbeatTimeout ${heartbeatTimeoutMs / 1000}s, ageAfter ${ageAfterMs / 1000}s, yieldWithin ${yieldWithinMs / 1000}s, strikes ${strikes}`,
    `  quotas: ${teams.length === 0 ? 'none' : teams.join(', ')}`,
  ].join('\n');
}
