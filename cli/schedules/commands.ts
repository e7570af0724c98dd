/** @module `glee schedule`: its commands, and what their help teaches. */
import { Command } from 'commander';
import { JSON_OPTION, type OutputOptions } from '../output.ts';
import type { CreateOptions } from './create.ts';
import type { BackfillOptions, TriggerOptions } from './steer.ts';
import { withTimes } from './time-options.ts';

export function scheduleCommand(): Command {
  const schedule = new Command('schedule')
    .description(
      "a sweep, fine-tune or joint training that is run again and again, by Temporal's own Schedules",
    )
    .addHelpText(
      'after',
      `
Examples:
  glee schedule create weekly sweeps/odinw13-lr --cron '0 3 * * mon' --time-zone Europe/Berlin
  glee schedule list                                   when each runs next, and what its last run came to
  glee schedule trigger weekly                         now, whatever its times are
  glee schedule pause weekly --why "no room till Friday"
  glee schedule backfill weekly --from 2026-11-01 --to 2026-11-15

Each run has an id of its own, '<schedule>-<date>-<time>' in UTC: glee sweep status weekly-261130-020000 shows it. A
config whose weights are { run: lite-1 } follows that run: it begins from its newest final weights, and does nothing
while there are none that the schedule has not trained from. A sweep is compared with the schedule's sweep before, and
what fell by more than the noise of its seeds stands in the list, in glee sweep status and in the worker's log.`,
    );
  schedule.addCommand(create());
  schedule
    .command('list')
    .description('all schedules')
    .option(...JSON_OPTION)
    .action(async (options: OutputOptions) => (await import('./list.ts')).listSchedules(options));
  for (const [action, description] of [
    ['pause', 'begin nothing more; what runs goes on'],
    ['resume', 'begin again at its times'],
  ] as const) {
    named(schedule, action, description)
      .requiredOption('--why <text>', 'the reason, for whoever looks at the schedule')
      .action(async (name: string, { why, ...options }: OutputOptions & { readonly why: string }) =>
        (await import('./steer.ts')).pauseSchedule(name, action, why, options),
      );
  }
  named(schedule, 'trigger', 'run it now, also while it is paused')
    .option('--overlap <policy>', "while the one before runs  [the schedule's own policy]")
    .action(async (name: string, options: TriggerOptions) =>
      (await import('./steer.ts')).triggerSchedule(name, options),
    );
  named(schedule, 'backfill', 'run the times of a span that has passed')
    .requiredOption('--from <time>', 'as 2026-11-01 (UTC) or 2026-11-01T03:00:00+01:00')
    .requiredOption('--to <time>')
    .option('--overlap <policy>', 'by default one after the other', 'buffer-all')
    .action(async (name: string, options: BackfillOptions) =>
      (await import('./steer.ts')).backfillSchedule(name, options),
    );
  named(schedule, 'delete', 'begin nothing more, for ever; what it has trained stays').action(
    async (name: string, options: OutputOptions) =>
      (await import('./steer.ts')).deleteSchedule(name, options),
  );
  return schedule;
}

function create(): Command {
  return withTimes(new Command('create'))
    .description('make one, if a control worker can plan its config now')
    .argument('<name>', 'what to call it')
    .argument('<config>', 'config below configs/, without its ending, as sweeps/odinw13-lr')
    .option('--paused', 'begin nothing before glee schedule resume')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  glee schedule create weekly sweeps/odinw13-lr --cron '0 3 * * mon' --time-zone Europe/Berlin --jitter 10m
  glee schedule create twice-daily finetune/odinw-rabbits --every 12h --catch-up 2h

Temporal's crons run on days that match both day of month and day of week, where both are given.
'glee plan <config> --schedule <name> --cron …' prints the line for the stock temporal command.`,
    )
    .action(async (name: string, config: string, options: CreateOptions) =>
      (await import('./create.ts')).createSchedule(name, config, options),
    );
}

function named(schedule: Command, name: string, description: string): Command {
  return schedule
    .command(name)
    .description(description)
    .argument('<name>')
    .option(...JSON_OPTION);
}
