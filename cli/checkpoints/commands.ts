/**
 * @module `glee checkpoints`: its commands, and what their help teaches.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { durationMs } from '../../planning/reading/durations.ts';
import { JSON_OPTION, type OutputOptions } from '../shared/output.ts';
import type { PruneCommandOptions } from './prune.ts';

const REFS = `
A checkpoint is named run/stage@iterations, as lite-1/stage1@50000. @final is the last one of a finished stage; @newest,
or nothing, is the one from which the stage would resume.`;

// Commands are imported when they run, as in program.ts.
export function checkpointsCommand(): Command {
  return new Command('checkpoints')
    .description('checkpoints in S3: list, pin, pull, push, verify, prune')
    .addCommand(list())
    .addCommand(show())
    .addCommand(pinCommand())
    .addCommand(unpinCommand())
    .addCommand(pull())
    .addCommand(push())
    .addCommand(verify())
    .addCommand(pruneCommand())
    .addHelpText('after', REFS);
}

function list(): Command {
  return new Command('list')
    .description('list checkpoints, why each is kept, and what it cost')
    .argument('[run[/stage]]', 'a run or stage  [all runs]')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  glee checkpoints list lite-1')
    .action(async (of: string | undefined, options: OutputOptions) =>
      (await import('./list.ts')).list(of, options),
    );
}

function show(): Command {
  return new Command('show')
    .description('show its location, checksums and timings')
    .argument('<checkpoint>', 'run/stage@iterations')
    .option(...JSON_OPTION)
    .addHelpText('after', `${REFS}\n\nExample:\n  glee checkpoints show lite-1/stage1@50000`)
    .action(async (ref: string, options: OutputOptions) => (await import('./show.ts')).show(ref, options));
}

function pinCommand(): Command {
  return new Command('pin')
    .description('keep a checkpoint until it is unpinned')
    .argument('<checkpoint>', 'run/stage@iterations')
    .option(...JSON_OPTION)
    .addHelpText('after', `${REFS}\n\nExample:\n  glee checkpoints pin lite-1/stage1@50000`)
    .action(async (ref: string, options: OutputOptions) => (await import('./pin.ts')).pinOne(ref, options));
}

function unpinCommand(): Command {
  return new Command('unpin')
    .description('end a pin; retention may then delete the checkpoint')
    .argument('<checkpoint>', 'run/stage@iterations')
    .option('--by <run>', 'end the pin of a run that started from it, instead of your own')
    .option(...JSON_OPTION)
    .addHelpText('after', `${REFS}\n\nExample:\n  glee checkpoints unpin lite-1/stage1@50000`)
    .action(async (ref: string, options: OutputOptions & { readonly by?: string }) =>
      (await import('./pin.ts')).unpinOne(ref, options),
    );
}

function pull(): Command {
  return new Command('pull')
    .description('download a checkpoint and verify its checksums')
    .argument('<checkpoint>', 'run/stage@iterations')
    .argument('[file]', "file to write  [the checkpoint's name, in this folder]")
    .option(...JSON_OPTION)
    .addHelpText('after', `${REFS}\n\nExample:\n  glee checkpoints pull lite-1/stage1@final lite.pth`)
    .action(async (ref: string, file: string | undefined, options: OutputOptions) =>
      (await import('./pull.ts')).pull(ref, file, options),
    );
}

function push(): Command {
  return new Command('push')
    .description('upload a torch file as a pinned checkpoint, for a stage to start from')
    .argument('<file>', 'torch file')
    .argument('<checkpoint>', 'run/stage@iterations: the run need not exist')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExample:\n  glee checkpoints push surgery.pth by-hand/stage1@1      then, in a config: weights: { from: by-hand/stage1@1 }',
    )
    .action(async (file: string, ref: string, options: OutputOptions) =>
      (await import('./push.ts')).push(file, ref, options),
    );
}

function verify(): Command {
  return new Command('verify')
    .description('read checkpoints again and compare their checksums')
    .argument('[run[/stage[@iterations]]]', 'a run, stage or checkpoint  [all]')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  glee checkpoints verify lite-1')
    .action(async (of: string | undefined, options: OutputOptions) =>
      (await import('./verify.ts')).verify(of, options),
    );
}

function pruneCommand(): Command {
  return new Command('prune')
    .description('delete what retention does not keep, and what crashed attempts left')
    .argument('[run[/stage]]', 'a run or stage  [all runs]')
    .option('--dry-run', 'list what would be deleted; delete nothing')
    .option('--keep <n>', "number of newest checkpoints to keep, at least 2  [the plan's]", wholeNumber)
    .option('--every <iterations>', "keep multiples of this number too  [the plan's]", wholeNumber)
    .addOption(
      new Option('--grace <duration>', 'never delete unfinished files younger than this')
        .argParser(duration)
        .default(3_600_000, '1h'),
    )
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
Never deleted: the newest two checkpoints of a stage, final weights, pinned checkpoints, those that another run started
from, and what a running stage may be about to commit.

Example:
  glee checkpoints prune lite-1 --dry-run`,
    )
    .action(async (of: string | undefined, options: PruneCommandOptions) =>
      (await import('./prune.ts')).pruneStages(of, options),
    );
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.');
  return Number(text);
}

function duration(text: string): number {
  const ms = durationMs(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be a duration, as 30m or 2h.');
  return ms;
}
