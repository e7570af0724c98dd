/**
 * @module `glee sweep`: its commands, and what their help teaches.
 */
import { userInfo } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { JSON_OPTION, type OutputOptions } from '../shared/output.ts';
import type { AddOptions } from './add.ts';
import type { ReportOptions } from './show-report.ts';

const EXAMPLES = `
Examples:
  glee sweep start sweeps/odinw13-lr --id odinw13-1
  glee sweep status odinw13-1                          how many trials run, are paused, have ended
  glee sweep add odinw13-1 --set task=odinw/Rabbits overrides.SOLVER.BASE_LR=0.0001
  glee sweep stop odinw13-1 rabbits-lr0.0001-s1 --why "diverges"
  glee sweep report odinw13-1 --format html > report.html
  glee sweep report odinw13-2 --compare odinw13-1      changes beyond the noise of the seeds

Each trial is a run with the id <sweep>.<trial>: 'glee status odinw13-1.rabbits-lr0.0001-s1' shows it. A sweep that
starts again under its id trains only the missing trials. 'glee plan sweeps/odinw13-lr' lists the trials, and
'glee schedule' runs sweeps again and again.`;

export function sweepCommand(): Command {
  const sweep = new Command('sweep')
    .description('search over fine-tunes that differ in some keys: start, control, compare')
    .addHelpText('after', EXAMPLES);
  addStart(sweep);
  addStatus(sweep);
  addAdd(sweep);
  addOrder(sweep, 'stop', 'end a trial; its metrics stay');
  addOrder(sweep, 'promote', 'continue a trial against the stopping rule');
  addReport(sweep);
  return sweep;
}

function addStart(sweep: Command): void {
  sweep
    .command('start')
    .description('start a sweep; the id of a sweep that ended continues that sweep')
    .argument('<config>', 'config below configs/, without .yaml, as sweeps/odinw13-lr')
    .requiredOption('--id <id>', 'id of the sweep')
    .option(...JSON_OPTION)
    .action(async (config: string, { id, ...options }: OutputOptions & { readonly id: string }) =>
      (await import('./start.ts')).startSweep(config, id, options),
    );
}

function addStatus(sweep: Command): void {
  sweep
    .command('status')
    .description('state of the trials')
    .argument('<sweep>')
    .option(...JSON_OPTION)
    .action(async (id: string, options: OutputOptions) =>
      (await import('./status.ts')).sweepStatus(id, options),
    );
}

function addAdd(sweep: Command): void {
  sweep
    .command('add')
    .description('add a trial to a running sweep')
    .argument('<sweep>')
    .requiredOption(
      '--set <key=value...>',
      'keys that differ from the base config, as overrides.SOLVER.BASE_LR=0.001',
    )
    .option('--seed <n>', 'its seed', wholeNumber, 1)
    .option(...JSON_OPTION)
    .action(async (id: string, options: AddOptions) => (await import('./add.ts')).addTrial(id, options));
}

function addOrder(sweep: Command, order: 'stop' | 'promote', description: string): void {
  sweep
    .command(order)
    .description(description)
    .argument('<sweep>')
    .argument('<trial>')
    .requiredOption('--why <text>', 'the reason, kept in the history')
    .option(...JSON_OPTION)
    .action(
      async (id: string, trial: string, { why, ...options }: OutputOptions & { readonly why: string }) => {
        const given = { trial, why, by: userInfo().username };
        await (await import('./order-trial.ts')).orderTrial(id, order, given, options);
      },
    );
}

function addReport(sweep: Command): void {
  sweep
    .command('report')
    .description('leaderboard and trials of a sweep, running or ended')
    .argument('<sweep>')
    .addOption(new Option('--format <format>').choices(['md', 'csv', 'json', 'html']).default('md'))
    .option('--compare <sweep>', 'an earlier sweep to compare with')
    .action(async (id: string, options: ReportOptions) =>
      (await import('./show-report.ts')).showReport(id, options),
    );
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('must be a whole number');
  return Number(text);
}
