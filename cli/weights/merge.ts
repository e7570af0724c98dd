/**
 * @module `glee weights merge`: one checkpoint with a part of it from another.
 */
import pc from 'picocolors';
import { planMerge, type MergeReport, type Misfit } from '../../activities/torch-file/merge.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { countText, shapeText } from '../shared/format-count.ts';
import { sizeText } from '../../contracts/sizes.ts';
import { interruptible, withSource } from '../shared/artifact-sources.ts';
import { mustNotOverwrite, writeWithProgress } from './write.ts';

export interface MergeOptions extends OutputOptions {
  readonly except: string;
  readonly under: string;
  readonly as?: string;
}

const MISFITS_SHOWN = 10;

export async function merge(
  [base, other, out]: readonly [base: string, other: string, out: string],
  options: MergeOptions,
): Promise<void> {
  const recipe = { as: options.except, ...options };
  await mustNotOverwrite(out, [base, other]);
  await interruptible((signal) =>
    withSource(base, signal, (baseSource) =>
      withSource(other, signal, async (otherSource) => {
        const { file, report } = await planMerge(baseSource, otherSource, recipe, signal);
        await writeWithProgress(file, out, signal);
        const outcome = { file: out, sizeBytes: file.sizeBytes, base, other, ...report };
        print(outcome, options, render);
      }),
    ),
  );
}

interface Outcome extends MergeReport {
  readonly file: string;
  readonly sizeBytes: number;
  readonly base: string;
  readonly other: string;
}

function render(outcome: Outcome): string {
  const { file, sizeBytes, base, other, fromBase, fromOther, dropped, replaced, misfits } = outcome;
  const from = (name: string, { tensors, parameters }: MergeReport['fromBase']) =>
    `  ${countText(tensors)} tensors, ${countText(parameters)} parameters from ${name}`;
  return [
    `${pc.bold(file)}: ${sizeText(sizeBytes)}`,
    from(base, fromBase),
    from(other, fromOther),
    `  ${countText(dropped.length)} tensors of ${base} left out, ${countText(replaced)} of them replaced`,
    ...misfits.slice(0, MISFITS_SHOWN).map(misfitLine),
    ...(misfits.length > MISFITS_SHOWN ? [pc.yellow(`  and ${misfits.length - MISFITS_SHOWN} more`)] : []),
  ].join('\n');
}

function misfitLine({ name, base, other }: Misfit): string {
  return pc.yellow(`  doesn't fit by shape: ${name} was ${shapeText(base)} and is ${shapeText(other)}`);
}
