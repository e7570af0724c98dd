/**
 * @module Two checkpoints made one: a part of the first, all that has one prefix, is replaced by tensors of the second.
 */
import type { ByteSource } from './byte-source.ts';
import { readCheckpoint, type Tensor } from './checkpoint.ts';
import { countOf, type TensorCount } from './tensor-count.ts';
import { planTorchFile, type TorchFile } from './torch-file.ts';
import { shortName, TorchFileError } from './torch-file-error.ts';

/** For GLEE-Pro: `glee.backbone.` of the MaskDINO weights replaced by EVA-02's `net.`, as `glee.backbone.net.`. */
export interface MergeRecipe {
  /** Prefix of the base's tensors that are left out. */
  readonly except: string;
  /** Prefix of the other's tensors that are taken; '' takes all. */
  readonly under: string;
  /** What becomes of that prefix. */
  readonly as: string;
}

export interface MergeReport {
  readonly fromBase: TensorCount;
  readonly fromOther: TensorCount;
  /** Tensors of the base that are left out, by name; those that the other replaces among them. */
  readonly dropped: readonly string[];
  /** Of the dropped, those that the other replaces under the same name. */
  readonly replaced: number;
  /** Replaced by one of another shape: a model that fits the base will not load it, and not say so loudly. */
  readonly misfits: readonly Misfit[];
}

export interface Misfit {
  readonly name: string;
  readonly base: readonly number[];
  readonly other: readonly number[];
}

export interface Merged {
  /** For `readBlocks` or `writeTorchFile`; both sources have to stay open until then. */
  readonly file: TorchFile;
  readonly report: MergeReport;
}

/**
 * Reads the indexes only.
 * @throws TorchFileError when nothing is taken, or when a name would come from both.
 */
export async function planMerge(
  base: ByteSource,
  other: ByteSource,
  { except, under, as }: MergeRecipe,
  signal: AbortSignal,
): Promise<Merged> {
  const { tensors } = await readCheckpoint(base, signal);
  const kept = tensors.filter(({ name }) => !name.startsWith(except));
  const dropped = tensors.filter(({ name }) => name.startsWith(except));
  const found = await readCheckpoint(other, signal, (name) => name.startsWith(under));
  const taken = found.tensors.map((tensor) => ({
    ...tensor,
    name: `${as}${tensor.name.slice(under.length)}`,
  }));
  if (taken.length === 0)
    throw new TorchFileError(`${other.name} has no tensor whose name begins with '${under}'`);
  const names = new Set(kept.map(({ name }) => name));
  const twice = taken.find(({ name }) => names.has(name));
  if (twice !== undefined)
    throw new TorchFileError(
      `both ${base.name} and ${other.name} would give ${shortName(twice.name)}: leave one of them out`,
    );
  const file = await planTorchFile([...kept, ...taken], signal);
  return { file, report: { fromBase: countOf(kept), fromOther: countOf(taken), ...compare(dropped, taken) } };
}

function compare(
  dropped: readonly Tensor[],
  taken: readonly Tensor[],
): Pick<MergeReport, 'dropped' | 'replaced' | 'misfits'> {
  const byName = new Map(taken.map((tensor) => [tensor.name, tensor]));
  const pairs = dropped.flatMap((base) => {
    const other = byName.get(base.name);
    return other === undefined ? [] : [{ name: base.name, base: base.shape, other: other.shape }];
  });
  const misfits = pairs.filter(({ base, other }) => base.join() !== other.join());
  return { dropped: dropped.map(({ name }) => name), replaced: pairs.length, misfits };
}
