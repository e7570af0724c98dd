/**
 * @module `glee pool`: its commands, and what their help teaches.
 */
import { userInfo } from 'node:os';
import { Command } from 'commander';
import { JSON_OPTION, type OutputOptions } from '../shared/output.ts';
import type { ShowOptions } from './show.ts';

interface OrderOptions extends OutputOptions {
  readonly pool: string;
  readonly why: string;
}

const ORDERS = [
  ['cordon', 'give the host no new work; running work continues'],
  ['uncordon', 'end a cordon or a drain'],
  ['drain', 'no new work; running gangs save and yield, and the worker exits when the host is free'],
  ['clear', 'end a quarantine and delete the strikes'],
] as const;

export function poolCommand(): Command {
  const pool = new Command('pool')
    .description('hosts of a pool, their leases and the queue; cordon, drain and clear hosts')
    .addHelpText(
      'after',
      `
Examples:
  glee pool show                                  the pool 'default': hosts, leases, the queue
  glee pool show a100 --watch                     another pool, updated every two seconds
  glee pool cordon gpu-3 --why "fans are loud"    no new work for gpu-3; running work continues
  glee pool drain gpu-3 --why "new NIC on Friday" no new work, running gangs yield; ends with uncordon
  glee pool clear gpu-5 --why "GPU 2 was replaced"   end its quarantine
  glee pool reload                                read configs/pools/<pool>.yaml again

The pool quarantines a host at once after a hardware fault, and after several strikes in a day: a strike is a host that
was lost, or failed a check, under a training. The host stays quarantined until 'glee pool clear'.`,
    );
  pool
    .command('show', { isDefault: true })
    .description('hosts and their state, leases, and what each request in the queue waits for')
    .argument('[pool]', 'name of the pool', 'default')
    .option('--watch', 'update every two seconds, until Ctrl-C')
    .option(...JSON_OPTION)
    .action(async (name: string, options: ShowOptions) => (await import('./show.ts')).show(name, options));
  for (const [order, about] of ORDERS) {
    pool
      .command(order)
      .description(about)
      .argument('<host>', 'name of the host, as in `glee pool show`')
      .requiredOption('--why <text>', 'the reason, kept in the history with your name')
      .option('--pool <name>', 'name of the pool', 'default')
      .option(...JSON_OPTION)
      .action(async (host: string, { pool: name, why, ...options }: OrderOptions) =>
        (await import('./orders.ts')).giveOrder(name, order, { host, why, by: userInfo().username }, options),
      );
  }
  pool
    .command('reload')
    .description("read the pool's file again; a file with a problem is refused")
    .argument('[pool]', 'name of the pool', 'default')
    .option(...JSON_OPTION)
    .action(async (name: string, options: OutputOptions) =>
      (await import('./orders.ts')).reload(name, userInfo().username, options),
    );
  return pool;
}
