/**
 * @module `glee checkpoints …`: what a run has saved in S3.
 */
import { Command, InvalidArgumentError } from 'commander';
import { durationMs } from '../../configs/durations.ts';
import { JSON_OPTION, type OutputOptions } from '../output.ts';
import type { PruneCommandOptions } from './prune.ts';

const REFS = `
A checkpoint is named run/stage@iterations, as lite-1/stage1@50000; @final is the last of a finished stage, @newest (or
nothing) the one that the stage would go on from.`;

// Commands are imported when they run, as in glee.ts.
export function checkpointsCommand(): Command {
  return new Command('checkpoints')
    .description('what runs have saved in S3: list, keep, fetch, put, check and tidy')
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
    .description('checkpoints, which of them are kept and why, and what they cost')
    .argument('[run[/stage]]', 'of which  [all runs]')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  glee checkpoints list lite-1')
    .action(async (of: string | undefined, options: OutputOptions) =>
      (await import('./list.ts')).list(of, options),
    );
}

function show(): Command {
  return new Command('show')
    .description('where one lies, its checksums, and where its time went')
    .argument('<checkpoint>', 'run/stage@iterations')
    .option(...JSON_OPTION)
    .addHelpText('after', `${REFS}\n\nExample:\n  glee checkpoints show lite-1/stage1@50000`)
    .action(async (ref: string, options: OutputOptions) => (await import('./show.ts')).show(ref, options));
}

function pinCommand(): Command {
  return new Command('pin')
    .description('keep one until it is unpinned')
    .argument('<checkpoint>', 'run/stage@iterations')
    .option(...JSON_OPTION)
    .addHelpText('after', `${REFS}\n\nExample:\n  glee checkpoints pin lite-1/stage1@50000`)
    .action(async (ref: string, options: OutputOptions) => (await import('./pin.ts')).pinOne(ref, options));
}

function unpinCommand(): Command {
  return new Command('unpin')
    .description('let one go again, unless a run that began from it still names it')
    .argument('<checkpoint>', 'run/stage@iterations')
    .option('--by <run>', 'take back the pin of a run that began from it, instead of your own')
    .option(...JSON_OPTION)
    .addHelpText('after', `${REFS}\n\nExample:\n  glee checkpoints unpin lite-1/stage1@50000`)
    .action(async (ref: string, options: OutputOptions & { readonly by?: string }) =>
      (await import('./pin.ts')).unpinOne(ref, options),
    );
}

function pull(): Command {
  return new Command('pull')
    .description('fetch one into a file, proven by its checksums')
    .argument('<checkpoint>', 'run/stage@iterations')
    .argument('[file]', "where to  [the checkpoint's own name, here]")
    .option(...JSON_OPTION)
    .addHelpText('after', `${REFS}\n\nExample:\n  glee checkpoints pull lite-1/stage1@final lite.pth`)
    .action(async (ref: string, file: string | undefined, options: OutputOptions) =>
      (await import('./pull.ts')).pull(ref, file, options),
    );
}

function push(): Command {
  return new Command('push')
    .description('put a torch file into S3 as a checkpoint, pinned, for a stage to begin from')
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
    .description('read checkpoints again to the last byte, and compare their checksums')
    .argument('[run[/stage[@iterations]]]', 'which  [all]')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  glee checkpoints verify lite-1')
    .action(async (of: string | undefined, options: OutputOptions) =>
      (await import('./verify.ts')).verify(of, options),
    );
}

function pruneCommand(): Command {
  return new Command('prune')
    .description("remove what the run's retention does not keep, and what crashed attempts left")
    .argument('[run[/stage]]', 'of which  [all runs]')
    .option('--dry-run', 'say what would be removed; remove nothing')
    .option('--keep <n>', "so many of the newest, at least 2  [the plan's]", wholeNumber)
    .option('--every <iterations>', "and each multiple of it  [the plan's]", wholeNumber)
    .option('--grace <duration>', 'what is younger is no garbage', duration, 3_600_000)
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
Stays whatever is said: what a stage would go on from and the one before, final weights, what is pinned, what another
run began from, and what a running stage may be about to commit.

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
