/**
 * @module `glee pool`: its commands, and what their help teaches.
 */
import { userInfo } from 'node:os';
import { Command } from 'commander';
import { JSON_OPTION, type OutputOptions } from '../output.ts';
import type { ShowOptions } from './show.ts';

interface OrderOptions extends OutputOptions {
  readonly pool: string;
  readonly why: string;
}

const ORDERS = [
  ['cordon', 'give the host no new work; what runs on it goes on'],
  ['uncordon', 'end a cordon or a drain'],
  ['drain', 'no new work, have what runs on it save and yield, and let its worker leave when it is free'],
  ['clear', 'end a quarantine, and forget the strikes that led to it'],
] as const;

export function poolCommand(): Command {
  const pool = new Command('pool')
    .description(
      'hosts of a pool: who holds their GPUs, who waits and for what; set hosts aside and take them back',
    )
    .addHelpText(
      'after',
      `
Examples:
  glee pool show                                  the pool 'default': hosts, leases, the queue
  glee pool show a100 --watch                     another pool, redrawn every two seconds
  glee pool cordon gpu-3 --why "fans are loud"    no new work for gpu-3; what trains there goes on
  glee pool drain gpu-3 --why "new NIC on Friday" have it free soon; 'uncordon' gives it back
  glee pool clear gpu-5 --why "GPU 2 was replaced"   it was quarantined, and is well again
  glee pool reload                                read configs/pools/<pool>.yaml again

A host gets into quarantine by itself: for a fault of its hardware at once, and for being lost under a training or
failing it several times in a day. It stays there, whatever runs end, until somebody clears it.`,
    );
  pool
    .command('show', { isDefault: true })
    .description('hosts and their conditions, who holds which GPUs, and what each in the queue waits for')
    .argument('[pool]', 'name of the pool', 'default')
    .option('--watch', 'redraw every two seconds, until Ctrl-C')
    .option(...JSON_OPTION)
    .action(async (name: string, options: ShowOptions) => (await import('./show.ts')).show(name, options));
  for (const [order, about] of ORDERS) {
    pool
      .command(order)
      .description(about)
      .argument('<host>', 'name of the host, as `glee pool show` has it')
      .requiredOption('--why <text>', 'the reason, for others to read; kept in the history with your name')
      .option('--pool <name>', 'name of the pool', 'default')
      .option(...JSON_OPTION)
      .action(async (host: string, { pool: name, why, ...options }: OrderOptions) =>
        (await import('./orders.ts')).giveOrder(name, order, { host, why, by: userInfo().username }, options),
      );
  }
  pool
    .command('reload')
    .description("read the pool's file again; refused, with what is wrong, where it will not do")
    .argument('[pool]', 'name of the pool', 'default')
    .option(...JSON_OPTION)
    .action(async (name: string, options: OutputOptions) =>
      (await import('./orders.ts')).reload(name, userInfo().username, options),
    );
  return pool;
}
