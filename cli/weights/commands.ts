/**
 * @module `glee weights`: its commands, and what their help teaches.
 */
import { Command } from 'commander';
import { JSON_OPTION } from '../shared/output.ts';
import type { ConvertOptions } from './convert.ts';
import type { MergeOptions } from './merge.ts';
import type { OutputOptions } from '../shared/output.ts';
import type { PruneOptions } from './prune.ts';

// Commands are imported when they run, as in program.ts.
export function weightsCommand(): Command {
  return new Command('weights')
    .description('weights: fetch, list, verify, prune; show, convert and merge torch files without torch')
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
    .description('list artifacts in S3, the hosts that have them, and the runs that use them')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('glee weights list'))
    .action(async (options: OutputOptions) => (await import('./list.ts')).list(options));
}

function fetchCommand(): Command {
  return new Command('fetch')
    .description(
      'download artifacts of the catalog (artifacts.yaml) to S3 now, with everything that they are made from',
    )
    .argument('<name...>', 'name in the catalog')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('glee weights fetch swin-large eva02-large-converted'))
    .action(async (names: string[], options: OutputOptions) =>
      (await import('./fetch.ts')).fetchArtifacts(names, options),
    );
}

function verify(): Command {
  return new Command('verify')
    .description('read artifacts in S3 again and compare their checksums')
    .argument('[name...]', 'names  [all]')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('glee weights verify', 'glee weights verify swin-large --json'))
    .action(async (names: string[], options: OutputOptions) =>
      (await import('./verify.ts')).verify(names, options),
    );
}

function prune(): Command {
  return new Command('prune')
    .description('delete from S3 what nothing refers to: replaced files and abandoned downloads')
    .option('--unused', "also artifacts that no run's plan names")
    .option('--older-than <age>', 'of these, only artifacts older than this', '7d')
    .option('--dry-run', 'list what would be deleted; delete nothing')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      examples('glee weights prune --dry-run', 'glee weights prune --unused --older-than 30d'),
    )
    .action(async (options: PruneOptions) => (await import('./prune.ts')).prune(options));
}

function show(): Command {
  return new Command('show')
    .description('show the tensors of a torch file; of a file in S3 only the index is fetched')
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
    .description("drop and rename tensors; by default as GLEE's weights/convert_eva02.py does for EVA02")
    .argument('<in>', "torch file, with or without 'model'")
    .argument('<out>', "file to write: {'model': …}, plain tensors")
    .option('--drop <text...>', 'drop tensors whose names contain one of these', ['.rope'])
    .option('--prefix <text>', 'prefix of all new names', 'net.')
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
    .description("copy a file's tensors, with a part replaced by another file's")
    .argument('<base>', 'torch file with all other tensors')
    .argument('<other>', 'torch file with the replacement')
    .argument('<out>', "file to write: {'model': …}, plain tensors")
    .requiredOption('--except <prefix>', 'replace the tensors of the base whose names start with this')
    .option('--under <prefix>', 'take the tensors of the other file whose names start with this', '')
    .option('--as <prefix>', 'the new prefix of these tensors  [that of --except]')
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
