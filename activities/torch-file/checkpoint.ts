/**
 * @module The index of a torch checkpoint: which tensors it has and where their bytes are. No tensor is read.
 */
import { crc32 } from 'node:zlib';
import { openFileSource, readBytes, type ByteSource } from './byte-source.ts';
import type { DType } from './dtypes.ts';
import { LARGEST_PICKLE_BYTES, readPickle } from './pickle-reader.ts';
import {
  describeValue,
  isKind,
  type PickledDict,
  type PickledTensor,
  type PickleValue,
} from './pickle-values.ts';
import { shortName, TorchFileError } from './torch-file-error.ts';
import { locateData, readZipDirectory, type ZipEntry } from './zip-directory.ts';

export interface Checkpoint {
  readonly source: ByteSource;
  /** Where the tensors stood: under `model`, as GLEE's and detectron2's files have them, or in a bare state_dict. */
  readonly container: 'model' | 'state_dict';
  /** In the file's order. */
  readonly tensors: readonly Tensor[];
}

export interface Tensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** In numbers, as the offset into the storage. */
  readonly strides: readonly number[];
  readonly storageOffset: number;
  /** The same object for tensors that share it. */
  readonly storage: Storage;
  readonly requiresGrad: boolean;
}

/** Numbers that one or more tensors look at. */
export interface Storage {
  readonly source: ByteSource;
  readonly key: string;
  readonly dtype: DType;
  readonly numel: number;
  readonly sizeBytes: number;
  /** As the archive's directory has it. `locateData` finds where the bytes begin. */
  readonly entry: ZipEntry;
}

const LONGEST_TENSOR_NAME = 1024;

const isDict = isKind('dict');
const isTensor = isKind('tensor');

/**
 * Reads the directory and the pickle only: some hundred kilobytes of any file.
 * @param isWanted leaves out tensors by name, unseen: what they are then does not matter.
 * @throws TorchFileError when the file is not whole, not torch's, or has something else among the wanted tensors.
 */
export async function readCheckpoint(
  source: ByteSource,
  signal: AbortSignal,
  isWanted: (name: string) => boolean = () => true,
): Promise<Checkpoint> {
  const entries = await readZipDirectory(source, signal);
  const folder = await findFolder(source, entries, signal);
  const bytes = await readMember(source, entries, `${folder}/data.pkl`, signal);
  try {
    const content = await readPickle(bytes);
    const { container, named } = findTensors(content);
    const storageOf = storageFinder(source, entries, folder);
    const wanted = [...named].filter(([name]) => isWanted(name));
    const tensors = wanted.map(([name, value]) => tensorOf(name, value, storageOf));
    return { source, container, tensors };
  } catch (error) {
    if (!(error instanceof TorchFileError)) throw error;
    throw new TorchFileError(`${source.name}: ${error.message}`, { cause: error });
  }
}

/**
 * Why a file is no whole torch file, by its directory and the sum of its index; undefined where it is one. What it holds
 * is not looked at: a training may keep anything with its model.
 */
export async function torchFileProblem(path: string, signal: AbortSignal): Promise<string | undefined> {
  const source = await openFileSource(path);
  try {
    const entries = await readZipDirectory(source, signal);
    await readMember(source, entries, `${await findFolder(source, entries, signal)}/data.pkl`, signal);
    return undefined;
  } catch (error) {
    if (error instanceof TorchFileError) return error.message;
    throw error;
  } finally {
    await source.close();
  }
}

/** Everything torch writes lies in one folder of the archive, that of its first member. */
async function findFolder(
  source: ByteSource,
  entries: ReadonlyMap<string, ZipEntry>,
  signal: AbortSignal,
): Promise<string> {
  const [first = ''] = entries.keys();
  const [folder = ''] = first.split('/');
  if (!entries.has(`${folder}/data.pkl`))
    throw new TorchFileError(`${source.name} is a zip archive, but not torch's: it has no data.pkl`);
  if (entries.has(`${folder}/constants.pkl`))
    throw new TorchFileError(`${source.name} is a TorchScript program, not a checkpoint`);
  if (entries.has(`${folder}/byteorder`)) {
    const order = (await readMember(source, entries, `${folder}/byteorder`, signal)).toString('latin1');
    if (order !== 'little')
      throw new TorchFileError(
        `${source.name} has its bytes in ${shortName(order)}-endian order; only little is read here`,
      );
  }
  return folder;
}

/** A small member's bytes, their sum checked. @throws TorchFileError */
export async function readMember(
  source: ByteSource,
  entries: ReadonlyMap<string, ZipEntry>,
  name: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const entry = entries.get(name);
  if (entry === undefined) throw new TorchFileError(`${source.name} has no ${shortName(name)}`);
  if (entry.sizeBytes > LARGEST_PICKLE_BYTES)
    throw new TorchFileError(
      `${source.name}: ${shortName(name)} has ${entry.sizeBytes} bytes, too many to be an index`,
    );
  const bytes = await readBytes(source, await locateData(source, entry, signal), entry.sizeBytes, signal);
  checkCrc(source, entry, crc32(bytes));
  return bytes;
}

/**
 * A sum of 0 was not taken: torch.save writes it where it is told not to compute sums, and torch.load doesn't ask.
 * @throws TorchFileError naming file, member and both sums when they differ.
 */
export function checkCrc(source: ByteSource, entry: ZipEntry, found: number): void {
  if (found === entry.crc32 || entry.crc32 === 0) return;
  const hex = (sum: number) => sum.toString(16).padStart(8, '0');
  throw new TorchFileError(
    `${source.name}: ${shortName(entry.name)} is damaged: its CRC-32 should be ${hex(entry.crc32)} and is ${hex(found)}`,
  );
}

function findTensors(content: PickleValue): {
  readonly container: Checkpoint['container'];
  readonly named: ReadonlyMap<string, PickleValue>;
} {
  if (!isDict(content)) throw new TorchFileError(`it holds ${describeValue(content)}, not a dict of tensors`);
  const top = byName(content);
  const model = top.get('model');
  if (isDict(model)) return { container: 'model', named: byName(model) };
  if (model !== undefined && !isTensor(model))
    throw new TorchFileError(`its \`model\` is ${describeValue(model)}, not a dict of tensors`);
  if ([...top.values()].some(isTensor)) return { container: 'state_dict', named: top };
  const keys = [...top.keys()].slice(0, 10).map(shortName).join(', ');
  throw new TorchFileError(`it has neither \`model\` nor tensors at its top, only: ${keys || 'nothing'}`);
}

function byName({ pairs }: PickledDict): ReadonlyMap<string, PickleValue> {
  return new Map(
    pairs.map(([key, value]) => [
      typeof key === 'string' ? plausible(key) : `(${describeValue(key)})`,
      value,
    ]),
  );
}

/** Names are shown, and written into other files: no program has longer ones, nor control characters in them. */
function plausible(name: string): string {
  if (name.length <= LONGEST_TENSOR_NAME && !/\p{Cc}/u.test(name)) return name;
  throw new TorchFileError(`it calls something '${shortName(name)}', which no model does`);
}

function tensorOf(name: string, value: PickleValue, storageOf: (tensor: PickledTensor) => Storage): Tensor {
  if (!isTensor(value))
    throw new TorchFileError(`${shortName(name)} is ${describeValue(value)}, not a tensor`);
  const { dtype, shape, strides, storageOffset, requiresGrad } = value;
  const storage = storageOf(value);
  const last = shape.reduce((sum, length, axis) => sum + (length - 1) * (strides[axis] ?? 0), storageOffset);
  const isEmpty = shape.includes(0);
  if (!isEmpty && (last + 1) * dtype.itemBytes > storage.sizeBytes)
    throw new TorchFileError(
      `${shortName(name)} reaches beyond the end of its storage ${shortName(storage.key)}`,
    );
  if (!Number.isSafeInteger(numelOf(value)))
    throw new TorchFileError(`${shortName(name)} has more numbers than can be counted`);
  return { name, dtype, shape, strides, storageOffset, storage, requiresGrad };
}

/** Finds each storage once, so that tensors which share one in the file share it here. */
function storageFinder(source: ByteSource, entries: ReadonlyMap<string, ZipEntry>, folder: string) {
  const known = new Map<string, Storage>();
  return ({ dtype, storage: { key, numel: count, dtype: own } }: PickledTensor): Storage => {
    const sizeBytes = own === 'bytes' ? count : count * own.itemBytes;
    const entry = entries.get(`${folder}/data/${key}`);
    if (entry?.sizeBytes !== sizeBytes)
      throw new TorchFileError(
        `storage ${shortName(key)} should have ${sizeBytes} bytes and ${entry ? `has ${entry.sizeBytes}` : 'is missing'}`,
      );
    const numel = Math.floor(sizeBytes / dtype.itemBytes);
    const found = known.get(key) ?? { source, key, dtype, numel, sizeBytes, entry };
    if (found.dtype !== dtype)
      throw new TorchFileError(
        `storage ${shortName(key)} is used as ${found.dtype.name} and as ${dtype.name}`,
      );
    known.set(key, found);
    return found;
  };
}

/** How many numbers a tensor has. */
export function numelOf({ shape }: Pick<Tensor, 'shape'>): number {
  return shape.reduce((product, length) => product * length, 1);
}
