/**
 * @module `glee weights …`: what the tutorial has one do by hand with torch.
 */
import { Command } from 'commander';
import { JSON_OPTION } from '../output.ts';
import type { ConvertOptions } from './convert.ts';
import type { MergeOptions } from './merge.ts';
import type { OutputOptions } from '../output.ts';
import type { PruneOptions } from './prune.ts';

// Commands are imported when they run, as in glee.ts.
export function weightsCommand(): Command {
  return new Command('weights')
    .description(
      'weights in S3 and in files: bring, list, verify, prune; look at, convert and merge without torch',
    )
    .addCommand(list())
    .addCommand(fetchCommand())
    .addCommand(verify())
    .addCommand(prune())
    .addCommand(show())
    .addCommand(convert())
    .addCommand(merge())
    .addHelpText(
      'after',
      examples(
        'glee weights show weights/eva02_L_pt_m38m_p14to16.pt',
        'glee weights convert eva02_L_pt_m38m_p14to16.pt converted_EVA02_m38m_psz14to16.pth',
      ),
    );
}

function list(): Command {
  return new Command('list')
    .description('artifacts in S3, on which hosts they are, and which runs use them')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('glee weights list'))
    .action(async (options: OutputOptions) => (await import('./list.ts')).list(options));
}

function fetchCommand(): Command {
  return new Command('fetch')
    .description(
      'bring artifacts of the catalogue (artifacts.yaml) into S3 now, with all that they are made from',
    )
    .argument('<name...>', 'of the catalogue')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('glee weights fetch swin-large eva02-large-converted'))
    .action(async (names: string[], options: OutputOptions) =>
      (await import('./fetch.ts')).fetchArtifacts(names, options),
    );
}

function verify(): Command {
  return new Command('verify')
    .description('read artifacts in S3 again to the last byte, and compare their checksums')
    .argument('[name...]', 'which  [all]')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('glee weights verify', 'glee weights verify swin-large --json'))
    .action(async (names: string[], options: OutputOptions) =>
      (await import('./verify.ts')).verify(names, options),
    );
}

function prune(): Command {
  return new Command('prune')
    .description('remove from S3 what nothing refers to: replaced files, and downloads that were given up')
    .option('--unused', "also whole artifacts that no run's plan names")
    .option('--older-than <age>', 'of those, the ones that were brought so long ago', '7d')
    .option('--dry-run', 'only say what would be removed')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      examples('glee weights prune --dry-run', 'glee weights prune --unused --older-than 30d'),
    )
    .action(async (options: PruneOptions) => (await import('./prune.ts')).prune(options));
}

function show(): Command {
  return new Command('show')
    .description('the tensors of a torch file; of one in S3, only its index is fetched')
    .argument('<file>', 'a path, or s3://bucket/key')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      examples('glee weights show model_final.pth', 'glee weights show s3://glee/runs/lite-1/x.pth --json'),
    )
    .action(async (file: string, options: OutputOptions) => (await import('./show.ts')).show(file, options));
}

function convert(): Command {
  return new Command('convert')
    .description("drop and rename tensors; by default as GLEE's weights/convert_eva02.py does for EVA-02")
    .argument('<in>', "torch file, with or without 'model'")
    .argument('<out>', "file to write: {'model': …}, plain tensors")
    .option('--drop <text...>', 'leave out tensors with one of these in their names', ['.rope'])
    .option('--prefix <text>', 'put before all names', 'net.')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      examples(
        'glee weights convert eva02_L_pt_m38m_p14to16.pt converted_EVA02_m38m_psz14to16.pth',
        "glee weights convert in.pth out.pth --drop head. fc. --prefix 'backbone.'",
      ),
    )
    .action(async (from: string, to: string, options: ConvertOptions) =>
      (await import('./convert.ts')).convert(from, to, options),
    );
}

function merge(): Command {
  return new Command('merge')
    .description("one file's tensors, a part of them replaced by another's")
    .argument('<base>', 'torch file that gives all but the part')
    .argument('<other>', 'torch file that gives the part')
    .argument('<out>', "file to write: {'model': …}, plain tensors")
    .requiredOption('--except <prefix>', "the part, by the beginning of the base's names")
    .option('--under <prefix>', "of the other's tensors, those whose names begin so", '')
    .option('--as <prefix>', "what becomes of that beginning  [the base's]")
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      examples(
        'glee weights merge maskdino.pth eva02.pth merged.pth --except glee.backbone. --under net. --as glee.backbone.net.',
      ),
    )
    .action(async (base: string, other: string, out: string, options: MergeOptions) =>
      (await import('./merge.ts')).merge([base, other, out], options),
    );
}

function examples(...lines: readonly string[]): string {
  return `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
