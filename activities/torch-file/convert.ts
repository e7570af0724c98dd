/**
 * @module A checkpoint's tensors under other names, as GLEE's weights/convert_eva02.py makes them from EVA-02's.
 *
 * That script loads everything into memory, drops and renames, and saves. Here only the index is made again and the
 * tensors' bytes are copied, which needs no torch and little memory, and checks every sum on the way.
 */
import type { ByteSource } from './byte-source.ts';
import { readCheckpoint, type Checkpoint } from './checkpoint.ts';
import { countOf, type TensorCount } from './tensor-count.ts';
import { planTorchFile, type TorchFile } from './torch-file.ts';
import { TorchFileError } from './torch-file-error.ts';

export interface ConvertRecipe {
  /** Tensors with one of these in their names are left out. */
  readonly drop: readonly string[];
  /** Put before all names. */
  readonly prefix: string;
}

/** What weights/convert_eva02.py does. */
export const EVA02_RECIPE: ConvertRecipe = { drop: ['.rope'], prefix: 'net.' };

export interface ConvertReport {
  /** Where the tensors stood in the source. */
  readonly container: Checkpoint['container'];
  readonly kept: TensorCount;
  readonly dropped: readonly string[];
}

export interface Converted {
  /** For `readBlocks` or `writeTorchFile`; the source has to stay open until then. */
  readonly file: TorchFile;
  readonly report: ConvertReport;
}

/**
 * Reads the source's index only: a few hundred kilobytes.
 * @throws TorchFileError when the source cannot be read, or the recipe leaves nothing of it.
 */
export async function planConversion(
  source: ByteSource,
  { drop, prefix }: ConvertRecipe,
  signal: AbortSignal,
): Promise<Converted> {
  const dropped: string[] = [];
  const isKept = (name: string) => {
    const keeps = !drop.some((part) => name.includes(part));
    if (!keeps) dropped.push(name);
    return keeps;
  };
  const { container, tensors } = await readCheckpoint(source, signal, isKept);
  if (tensors.length === 0)
    throw new TorchFileError(`${source.name}: nothing is left of its ${dropped.length} tensors`);
  const renamed = tensors.map((tensor) => ({ ...tensor, name: `${prefix}${tensor.name}` }));
  const file = await planTorchFile(renamed, signal);
  return { file, report: { container, kept: countOf(tensors), dropped } };
}
