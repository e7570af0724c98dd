/**
 * @module The commands of `glee` and their options. Each command's code is imported when it runs, so that --help does not
 * wait for the SDKs of Temporal and AWS.
 */
import { Command, InvalidArgumentError } from 'commander';
import { checkpointsCommand } from './checkpoints/commands.ts';
import { packageVersion } from '../planning/environment/package-root.ts';
import type { EvaluateOptions } from './runs/evaluate.ts';
import { controlCommands } from './controls/commands.ts';
import type { ListOptions } from './runs/list.ts';
import { JSON_OPTION, type OutputOptions } from './shared/output.ts';
import type { PlanOptions } from './runs/plan.ts';
import { poolCommand } from './pool/commands.ts';
import { scheduleCommand } from './schedules/commands.ts';
import { withTimes } from './schedules/time-options.ts';
import type { StartOptions } from './runs/start.ts';
import type { StatusOptions } from './runs/status.ts';
import { sweepCommand } from './sweeps/commands.ts';
import { weightsCommand } from './weights/commands.ts';

/** @returns the whole command line, not yet parsed. */
export function gleeProgram(): Command {
  const program = new Command('glee')
    .description('Train GLEE as durable runs on Temporal, with checkpoints in S3.')
    .version(packageVersion(), '--version')
    .option('--debug', 'show where an error comes from')
    .addHelpText(
      'after',
      `
Examples:
  glee doctor                              check the installation
  glee plan joint/lite                     what would run, and every problem in the config
  glee start joint/lite --run lite-1       start a run, or continue the one with that id
  glee status lite-1 --watch               stage, iteration, loss, ETA, hosts, events
  glee pause lite-1 --why "maintenance"    save and give the hosts back, until glee resume

Temporal is configured as for the temporal command (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, temporal.toml), S3 as for the
aws command (AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_PROFILE, ...). GLEE_BUCKET [glee] and GLEE_PREFIX name the bucket and
the key prefix, GLEE_CHECKOUT the GLEE checkout, GLEE_CONFIG_DIR the folder with your own configs.`,
    );
  const commands = [
    startCommand(),
    statusCommand(),
    listCommand(),
    planCommand(),
    cancelCommand(),
    evaluateCommand(),
    doctorCommand(),
    ...controlCommands(),
    poolCommand(),
    checkpointsCommand(),
    sweepCommand(),
    scheduleCommand(),
    weightsCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  return program;
}

function startCommand(): Command {
  return new Command('start')
    .description(
      'start a joint training or a fine-tune; the id of a run that ended or failed continues that run',
    )
    .argument('[config]', 'config below configs/, without .yaml', 'joint/lite')
    .option(
      '--run <id>',
      "id of the run, also its workflow id and S3 prefix  [the config's name and the time]",
    )
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee start joint/lite --run lite-1'))
    .action(async (config: string, options: StartOptions) =>
      (await import('./runs/start.ts')).start(config, options),
    );
}

function statusCommand(): Command {
  return new Command('status')
    .description('what a run is doing: stage, iteration, loss, ETA, hosts, events')
    .argument('<run>', 'id of the run')
    .option('--watch', 'redraw every second until the run ends')
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee status lite-1 --watch'))
    .action(async (run: string, options: StatusOptions) =>
      (await import('./runs/status.ts')).status(run, options),
    );
}

function listCommand(): Command {
  return new Command('list')
    .description('all runs, newest first')
    .option('--limit <n>', 'number of runs to list', positiveInteger, 50)
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee list --json'))
    .action(async (options: ListOptions) => (await import('./runs/list.ts')).list(options));
}

function planCommand(): Command {
  return withTimes(new Command('plan'))
    .description('show what a config would run and every problem in it; needs a GLEE checkout, but no GPU')
    .argument('[config]', 'config below configs/, without .yaml', 'joint/lite')
    .option('--schedule <name>', 'also print the equivalent `temporal schedule create` command')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  GLEE_CHECKOUT=~/GLEE glee plan joint/pro
  GLEE_CHECKOUT=~/GLEE glee plan sweeps/odinw13-lr --schedule weekly --cron '0 3 * * mon'

The other options describe the times of that schedule.`,
    )
    .action(async (config: string, options: PlanOptions) =>
      (await import('./runs/plan.ts')).plan(config, options),
    );
}

function cancelCommand(): Command {
  return new Command('cancel')
    .description('save, then stop a run; glee start with the same id continues it')
    .argument('<run>', 'id of the run')
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee cancel lite-1'))
    .action(async (run: string, options: OutputOptions) =>
      (await import('./runs/cancel.ts')).cancel(run, options),
    );
}

function evaluateCommand(): Command {
  return new Command('evaluate')
    .description('evaluate a checkpoint and wait for its metrics; stored metrics are returned at once')
    .argument('<checkpoint>', 'as lite-1/stage3@final')
    .option('--config <name>', "a fine-tune config that says how  [the config of the checkpoint's run]")
    .option('--datasets <names...>', 'data sets  [those of the config]')
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee evaluate lite-1/stage3@final --config finetune/odinw-rabbits'))
    .action(async (checkpoint: string, options: EvaluateOptions) =>
      (await import('./runs/evaluate.ts')).evaluate(checkpoint, options),
    );
}

function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'check Temporal, S3 permissions, Python and the GLEE checkout, and say how to fix each failure',
    )
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee doctor'))
    .action(async (options: OutputOptions) => (await import('./runs/doctor.ts')).doctor(options));
}

function example(line: string): string {
  return `\nExample:\n  ${line}`;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a positive integer');
  return value;
}
