/**
 * @module `glee weights show`: which tensors a torch file has.
 */
import Table from 'cli-table3';
import pc from 'picocolors';
import {
  numelOf,
  readCheckpoint,
  type Checkpoint,
  type Tensor,
} from '../../activities/torch-file/checkpoint.ts';
import { countOf } from '../../activities/torch-file/tensor-count.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { countText, shapeText } from '../shared/format-count.ts';
import { sizeText } from '../../contracts/sizes.ts';
import { interruptible, withSource } from '../shared/artifact-sources.ts';

export async function show(place: string, options: OutputOptions): Promise<void> {
  await interruptible((signal) =>
    withSource(place, signal, async (source) =>
      print(facts(await readCheckpoint(source, signal)), options, render),
    ),
  );
}

type Facts = ReturnType<typeof facts>;

function facts({ source, container, tensors }: Checkpoint) {
  const storages = new Set(tensors.map(({ storage }) => storage));
  return {
    file: source.name,
    fileBytes: source.sizeBytes,
    container,
    ...countOf(tensors),
    /** Of the storages, shared ones once. */
    storageBytes: [...storages].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    /** Storages without a CRC-32, as torch.save writes them where it is told not to compute any. */
    storagesWithoutSum: [...storages].filter(({ sizeBytes, entry }) => sizeBytes > 0 && entry.crc32 === 0)
      .length,
    list: tensors.map(tensorFacts),
  };
}

function tensorFacts(tensor: Tensor) {
  const { name, dtype, shape, strides, storageOffset, storage, requiresGrad } = tensor;
  const sizeBytes = numelOf(tensor) * dtype.itemBytes;
  return {
    name,
    dtype: dtype.name,
    shape,
    strides,
    sizeBytes,
    storage: storage.key,
    storageOffset,
    requiresGrad,
  };
}

function render({ file, fileBytes, container, tensors, parameters, storageBytes, ...more }: Facts): string {
  const rows = new Table({
    head: ['tensor', 'shape', 'dtype', 'size'],
    colAligns: ['left', 'left', 'left', 'right'],
    style: { head: [], border: [] },
  });
  for (const { name, shape, dtype, sizeBytes } of more.list)
    rows.push([name, shapeText(shape), dtype, sizeText(sizeBytes)]);
  const where = container === 'model' ? "under 'model'" : "at its top, without 'model'";
  return [
    rows.toString(),
    `${pc.bold(file)}: ${sizeText(fileBytes)}; ${countText(tensors)} tensors ${where}, ` +
      `${countText(parameters)} parameters, ${sizeText(storageBytes)}`,
    ...(more.storagesWithoutSum === 0
      ? []
      : [`${countText(more.storagesWithoutSum)} storages have no CRC-32: damage in them would not be seen`]),
  ].join('\n');
}
