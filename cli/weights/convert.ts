/**
 * @module `glee weights convert`: a checkpoint's tensors under other names.
 */
import { planConversion, type ConvertReport } from '../../activities/torch-file/convert.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { countText } from '../shared/format-count.ts';
import { sizeText } from '../../contracts/sizes.ts';
import { interruptible, withSource } from '../shared/artifact-sources.ts';
import { mustNotOverwrite, writeWithProgress } from './write.ts';

export interface ConvertOptions extends OutputOptions {
  readonly drop: readonly string[];
  readonly prefix: string;
}

export async function convert(from: string, to: string, options: ConvertOptions): Promise<void> {
  await mustNotOverwrite(to, [from]);
  await interruptible((signal) =>
    withSource(from, signal, async (source) => {
      const { file, report } = await planConversion(source, options, signal);
      await writeWithProgress(file, to, signal);
      print({ file: to, sizeBytes: file.sizeBytes, ...report }, options, render);
    }),
  );
}

function render({
  file,
  sizeBytes,
  container,
  kept,
  dropped,
}: ConvertReport & { readonly file: string; readonly sizeBytes: number }): string {
  const bare = container === 'model' ? '' : "; the source had no 'model', its top was taken";
  return `${file}: ${countText(kept.tensors)} tensors, ${countText(kept.parameters)} parameters, ${sizeText(sizeBytes)}; ${countText(dropped.length)} left out${bare}`;
}
