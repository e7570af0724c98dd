/**
 * @module What a pickle's calls stand for: tensors, as torch._utils puts them together, and ordered dictionaries.
 *
 * A call of anything else becomes an object that is only a name.
 */
import { dtypeOfGlobal, dtypeOfStorageClass, type DType } from './dtypes.ts';
import { describeValue, isKind, type PickledStorage, type PickleValue } from './pickle-values.ts';
import { TorchFileError } from './torch-file-error.ts';

const isTuple = isKind('tuple');
const isList = isKind('list');
const isDict = isKind('dict');
const isGlobal = isKind('global');
const isStorage = isKind('storage');
const isTensor = isKind('tensor');

const MOST_DIMENSIONS = 64;
/** Classes whose instances are tensors when torch._tensor._rebuild_from_type_v2 makes them: with attributes on them. */
const TENSOR_CLASSES = new Set(['torch.Tensor', 'torch._tensor.Tensor', 'torch.nn.parameter.Parameter']);

/** What bounds the work of calls that copy their arguments. */
export interface Budget {
  /** @throws TorchFileError when all calls together copy too much. */
  charge(items: number): void;
}

/** @throws TorchFileError for a call that torch itself could not have written. */
export function callOf(callee: PickleValue, items: readonly PickleValue[], budget: Budget): PickleValue {
  if (!isGlobal(callee)) return { kind: 'opaque', name: 'what a call returned' };
  const { name } = callee;
  const [first = null, second = null, third = null] = items;
  switch (name) {
    case 'collections.OrderedDict':
      return { kind: 'dict', pairs: first === null ? [] : orderedPairs(first, budget) };
    case 'torch.Size':
      return isTuple(first) ? first : { kind: 'opaque', name };
    case 'torch._utils._rebuild_tensor':
    case 'torch._utils._rebuild_tensor_v2':
      return tensorOf(name, items, undefined, items[6]);
    case 'torch._utils._rebuild_tensor_v3':
      return tensorOf(name, items, items[6], items[7]);
    case 'torch._utils._rebuild_parameter':
    case 'torch._utils._rebuild_parameter_with_state':
      return isTensor(first) ? { ...first, requiresGrad: second === true } : { kind: 'opaque', name };
    case 'torch._tensor._rebuild_from_type_v2':
      return isTensorClass(second) && isTuple(third) && isRebuild(first)
        ? callOf(first, third.items, budget)
        : { kind: 'opaque', name };
    default:
      return { kind: 'opaque', name };
  }
}

/** torch's persistent ids: ('storage', class, key, device, how many numbers). */
export function storageOf(id: PickleValue): PickledStorage {
  const [tag, storageClass, key, , numel] = isTuple(id) ? id.items : [];
  const named = isGlobal(storageClass) ? storageClass.name : describeValue(storageClass ?? null);
  const dtype = dtypeOfStorageClass(named);
  if (tag !== 'storage' || typeof key !== 'string' || !isCount(numel))
    throw new TorchFileError('the pickle refers to a storage in a way that torch does not');
  if (dtype === undefined)
    throw new TorchFileError(`the pickle has a storage of ${named}, which is not known here`);
  return { kind: 'storage', key, dtype, numel };
}

/** (storage, offset, size, stride, requires_grad, hooks, …): the oldest form ends behind the strides. */
function tensorOf(
  name: string,
  [storage, storageOffset, size, stride, requiresGrad]: readonly PickleValue[],
  format: PickleValue | undefined,
  metadata: PickleValue | undefined,
): PickleValue {
  const malformed = new TorchFileError(`the pickle calls ${name} with arguments that torch would not give`);
  const [shape, strides] = [countsOf(size), countsOf(stride)];
  if (!isStorage(storage) || !isCount(storageOffset)) throw malformed;
  if (shape === undefined || strides?.length !== shape.length) throw malformed;
  // Lazily conjugated or negated: the numbers in the file are not those of the tensor.
  if (hasPairs(metadata)) return { kind: 'opaque', name: `${name} with metadata` };
  const dtype = formatOf(storage, format);
  if (dtype === undefined) throw malformed;
  return {
    kind: 'tensor',
    dtype,
    storage,
    storageOffset,
    shape,
    strides,
    requiresGrad: requiresGrad === true,
  };
}

function formatOf({ dtype }: PickledStorage, format: PickleValue | undefined): DType | undefined {
  if (dtype !== 'bytes') return dtype;
  return isGlobal(format) ? dtypeOfGlobal(format.name) : undefined;
}

function countsOf(value: PickleValue | undefined): readonly number[] | undefined {
  if (!isTuple(value) || value.items.length > MOST_DIMENSIONS) return undefined;
  const counts = value.items.filter(isCount);
  return counts.length === value.items.length ? counts : undefined;
}

/** Python 2 gave the content as a list of lists. */
function orderedPairs(value: PickleValue, budget: Budget): (readonly [PickleValue, PickleValue])[] {
  const items = isList(value) || isTuple(value) ? value.items : [];
  budget.charge(items.length);
  return items.map((pair) => {
    if ((!isList(pair) && !isTuple(pair)) || pair.items.length !== 2)
      throw new TorchFileError('the pickle has an OrderedDict of something that is not a pair');
    return [pair.items[0] ?? null, pair.items[1] ?? null];
  });
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isTensorClass(value: PickleValue): boolean {
  return isGlobal(value) && TENSOR_CLASSES.has(value.name);
}

/** What torch itself wraps: the wrapper in itself would nest as deep as a file likes. */
function isRebuild(value: PickleValue): boolean {
  return isGlobal(value) && value.name.startsWith('torch._utils._rebuild_');
}

function hasPairs(value: PickleValue | undefined): boolean {
  return isDict(value) && value.pairs.length > 0;
}
