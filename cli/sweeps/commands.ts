/**
 * @module `glee sweep`: its commands, and what their help teaches.
 */
import { userInfo } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { JSON_OPTION, type OutputOptions } from '../output.ts';
import type { AddOptions } from './add.ts';
import type { ReportOptions } from './show-report.ts';

export function sweepCommand(): Command {
  const sweep = new Command('sweep')
    .description('many fine-tunes that differ in some parameters: begun, followed, steered and compared')
    .addHelpText(
      'after',
      `
Examples:
  glee sweep start sweeps/odinw13-lr --id odinw13-1
  glee sweep status odinw13-1                          how many trials run, rest, have ended
  glee sweep add odinw13-1 --set task=odinw/Rabbits overrides.SOLVER.BASE_LR=0.0001
  glee sweep stop odinw13-1 rabbits-lr0.0001-s1 --why "diverges"
  glee sweep report odinw13-1 --format html > report.html
  glee sweep report odinw13-2 --compare odinw13-1      what got better, what worse, against the noise of seeds

Each trial is a run of its own, '<sweep>.<trial>': glee status odinw13-1.rabbits-lr0.0001-s1 shows it. A sweep that is
begun again under its id trains only what is missing. 'glee plan sweeps/odinw13-lr' shows which trials there would be,
'glee schedule' runs sweeps again and again.`,
    );
  sweep
    .command('start')
    .description('begin a sweep, or go on with one that ended')
    .argument('<config>', 'config below configs/, without its ending, as sweeps/odinw13-lr')
    .requiredOption('--id <id>', 'its id')
    .option(...JSON_OPTION)
    .action(async (config: string, { id, ...options }: OutputOptions & { readonly id: string }) =>
      (await import('./steer.ts')).startSweep(config, id, options),
    );
  sweep
    .command('status')
    .description('how its trials stand')
    .argument('<sweep>')
    .option(...JSON_OPTION)
    .action(async (id: string, options: OutputOptions) =>
      (await import('./steer.ts')).sweepStatus(id, options),
    );
  sweep
    .command('add')
    .description('one trial more, for a sweep that runs')
    .argument('<sweep>')
    .requiredOption('--set <key=value...>', 'what differs from the base, as overrides.SOLVER.BASE_LR=0.001')
    .option('--seed <n>', 'its seed', wholeNumber, 1)
    .option(...JSON_OPTION)
    .action(async (id: string, options: AddOptions) => (await import('./add.ts')).addTrial(id, options));
  for (const [order, description] of [
    ['stop', 'end a trial; what it has reported stays'],
    ['promote', 'let a trial go on, whatever the stopping rule says'],
  ] as const) {
    sweep
      .command(order)
      .description(description)
      .argument('<sweep>')
      .argument('<trial>')
      .requiredOption('--why <text>', 'the reason, for whoever reads its history')
      .option(...JSON_OPTION)
      .action(
        async (id: string, trial: string, { why, ...options }: OutputOptions & { readonly why: string }) => {
          const said = { trial, why, by: userInfo().username };
          await (await import('./steer.ts')).orderTrial(id, order, said, options);
        },
      );
  }
  sweep
    .command('report')
    .description('leaderboard and trials, of a sweep that runs or has ended')
    .argument('<sweep>')
    .addOption(new Option('--format <format>').choices(['md', 'csv', 'json', 'html']).default('md'))
    .option('--compare <sweep>', 'an earlier one')
    .action(async (id: string, options: ReportOptions) =>
      (await import('./show-report.ts')).showReport(id, options),
    );
  return sweep;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('must be a whole number');
  return Number(text);
}
