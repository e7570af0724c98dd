/**
 * @module The commands of `glee` and their options. Each command's code is imported when it runs, so that --help does not
 * wait for the SDKs of Temporal and AWS.
 */
import { Command, InvalidArgumentError } from 'commander';
import { checkpointsCommand } from './checkpoints/commands.ts';
import { packageVersion } from '../configs/package-root.ts';
import type { EvaluateOptions } from './evaluate.ts';
import { controlCommands } from './controls/commands.ts';
import type { ListOptions } from './list.ts';
import { JSON_OPTION, type OutputOptions } from './output.ts';
import type { PlanOptions } from './plan.ts';
import { poolCommand } from './pool/commands.ts';
import { scheduleCommand } from './schedules/commands.ts';
import { withTimes } from './schedules/time-options.ts';
import type { StartOptions } from './start.ts';
import type { StatusOptions } from './status.ts';
import { sweepCommand } from './sweeps/commands.ts';
import { weightsCommand } from './weights/commands.ts';

/** @returns the whole command line, not yet parsed. */
export function gleeProgram(): Command {
  const program = new Command('glee')
    .description("GLEE's training as durable runs on Temporal, checkpoints in S3.")
    .version(packageVersion(), '--version')
    .option('--debug', 'show where an error comes from')
    .addHelpText(
      'after',
      `
Examples:
  glee doctor                              is everything there that a run needs?
  glee plan joint/lite                     what would run, and what is wrong with it
  glee start joint/lite --run lite-1       begin (or, under a known id, go on)
  glee status lite-1 --watch               what it is doing, and what has happened
  glee pause lite-1 --why "maintenance"    save, give the hosts back; glee resume goes on

Temporal is found as its own tools find it (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, temporal.toml), S3 as the aws
command line does (AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_PROFILE, ...). Bucket: GLEE_BUCKET [glee], key prefix:
GLEE_PREFIX, GLEE checkout: GLEE_CHECKOUT, your own configs: GLEE_CONFIG_DIR.`,
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
      'start a joint training or a fine-tune; under the id of a run that ended or failed, do only what is missing',
    )
    .argument('[config]', 'config below configs/, without its ending', 'joint/lite')
    .option('--run <id>', "id of the run: workflow id and S3 prefix  [the config's name and the minute]")
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee start joint/lite --run lite-1'))
    .action(async (config: string, options: StartOptions) =>
      (await import('./start.ts')).start(config, options),
    );
}

function statusCommand(): Command {
  return new Command('status')
    .description('what a run is doing, and what has happened to it')
    .argument('<run>', 'id of the run')
    .option('--watch', 'redraw every second until the run ends')
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee status lite-1 --watch'))
    .action(async (run: string, options: StatusOptions) =>
      (await import('./status.ts')).status(run, options),
    );
}

function listCommand(): Command {
  return new Command('list')
    .description('all runs, newest first')
    .option('--limit <n>', 'at most so many', positiveInteger, 50)
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee list --json'))
    .action(async (options: ListOptions) => (await import('./list.ts')).list(options));
}

function planCommand(): Command {
  return withTimes(new Command('plan'))
    .description(
      'what a config would run, stage by stage or trial by trial, and what is wrong with it; needs a GLEE checkout, but no GPU',
    )
    .argument('[config]', 'config below configs/, without its ending', 'joint/lite')
    .option('--schedule <name>', 'also print the line with which the stock temporal command schedules it')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  GLEE_CHECKOUT=~/GLEE glee plan joint/pro
  GLEE_CHECKOUT=~/GLEE glee plan sweeps/odinw13-lr --schedule weekly --cron '0 3 * * mon'

The options for times count with --schedule alone.`,
    )
    .action(async (config: string, options: PlanOptions) =>
      (await import('./plan.ts')).plan(config, options),
    );
}

function cancelCommand(): Command {
  return new Command('cancel')
    .description('stop a run; what it has saved stays in S3')
    .argument('<run>', 'id of the run')
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee cancel lite-1'))
    .action(async (run: string, options: OutputOptions) =>
      (await import('./cancel.ts')).cancel(run, options),
    );
}

function evaluateCommand(): Command {
  return new Command('evaluate')
    .description(
      'the figures of a checkpoint; waits for them. What was evaluated before is not evaluated again',
    )
    .argument('<checkpoint>', 'as lite-1/stage3@final')
    .option(
      '--config <name>',
      "a fine-tune config that says how  [what the checkpoint's run was planned with]",
    )
    .option('--datasets <names...>', 'data sets  [those that the config tests on]')
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee evaluate lite-1/stage3@final --config finetune/odinw-rabbits'))
    .action(async (checkpoint: string, options: EvaluateOptions) =>
      (await import('./evaluate.ts')).evaluate(checkpoint, options),
    );
}

function doctorCommand(): Command {
  return new Command('doctor')
    .description('check Temporal, S3 rights, Python and the GLEE checkout; say what to do about each failure')
    .option(...JSON_OPTION)
    .addHelpText('after', example('glee doctor'))
    .action(async (options: OutputOptions) => (await import('./doctor.ts')).doctor(options));
}

function example(line: string): string {
  return `\nExample:\n  ${line}`;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a positive integer');
  return value;
}
