/** @module `glee schedule`: its commands, and what their help teaches. */
import { Command } from 'commander';
import { JSON_OPTION, type OutputOptions } from '../shared/output.ts';
import type { CreateOptions } from './create.ts';
import type { BackfillOptions } from './backfill.ts';
import type { TriggerOptions } from './trigger.ts';
import { withTimes } from './time-options.ts';

export function scheduleCommand(): Command {
  const schedule = new Command('schedule')
    .description("run a sweep, fine-tune or joint training again and again, on Temporal's Schedules")
    .addHelpText(
      'after',
      `
Examples:
  glee schedule create weekly sweeps/odinw13-lr --cron '0 3 * * mon' --time-zone Europe/Berlin
  glee schedule list                                   the next time and the last result of each
  glee schedule trigger weekly                         run it now
  glee schedule pause weekly --why "no hosts until Friday"
  glee schedule backfill weekly --from 2026-11-01 --to 2026-11-15

Each run has the id <schedule>-<date>-<time> in UTC: 'glee sweep status weekly-261130-020000' shows it. A config with
weights { run: lite-1 } follows that run: it starts from its newest final weights, and ends at once when the schedule has
trained from these before. A sweep is compared with the previous sweep of the schedule. Metrics that fell by more than the
noise of the seeds are listed here, in glee sweep status and in the worker's log.`,
    );
  schedule.addCommand(create());
  schedule
    .command('list')
    .description('all schedules')
    .option(...JSON_OPTION)
    .action(async (options: OutputOptions) => (await import('./list.ts')).listSchedules(options));
  for (const [action, description] of [
    ['pause', 'start no more runs; running ones continue'],
    ['resume', 'start runs at its times again'],
  ] as const) {
    named(schedule, action, description)
      .requiredOption('--why <text>', 'the reason, kept with the schedule')
      .action(async (name: string, { why, ...options }: OutputOptions & { readonly why: string }) =>
        (await import('./pause.ts')).pauseSchedule(name, action, why, options),
      );
  }
  named(schedule, 'trigger', 'start a run now, even if the schedule is paused')
    .option('--overlap <policy>', "what to do while the previous run still runs  [the schedule's policy]")
    .action(async (name: string, options: TriggerOptions) =>
      (await import('./trigger.ts')).triggerSchedule(name, options),
    );
  named(schedule, 'backfill', 'start the runs of past times')
    .requiredOption('--from <time>', 'as 2026-11-01 (UTC) or 2026-11-01T03:00:00+01:00')
    .requiredOption('--to <time>')
    .option('--overlap <policy>', 'what to do while the previous run still runs', 'buffer-all')
    .action(async (name: string, options: BackfillOptions) =>
      (await import('./backfill.ts')).backfillSchedule(name, options),
    );
  named(schedule, 'delete', 'delete the schedule; what it trained stays').action(
    async (name: string, options: OutputOptions) =>
      (await import('./delete.ts')).deleteSchedule(name, options),
  );
  return schedule;
}

function create(): Command {
  return withTimes(new Command('create'))
    .description('create a schedule; a control worker plans the config first')
    .argument('<name>', 'name of the schedule')
    .argument('<config>', 'config below configs/, without .yaml, as sweeps/odinw13-lr')
    .option('--paused', 'start no run before glee schedule resume')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  glee schedule create weekly sweeps/odinw13-lr --cron '0 3 * * mon' --time-zone Europe/Berlin --jitter 10m
  glee schedule create twice-daily finetune/odinw-rabbits --every 12h --catch-up 2h

When a cron has both a day of month and a day of week, Temporal needs both to match.
'glee plan <config> --schedule <name> --cron …' prints the equivalent 'temporal schedule create' command.`,
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
