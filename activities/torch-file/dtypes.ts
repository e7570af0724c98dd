/**
 * @module torch's number formats: how many bytes one takes, and the storage class that stands for it in a file.
 */
export interface DType {
  /** As in `torch.float32`. */
  readonly name: string;
  readonly itemBytes: number;
  /** Undefined for formats that came after torch had given up typed storages (2.1 and later). */
  readonly storageClass: string | undefined;
}

const dtype = (name: string, itemBytes: number, storageClass?: string): DType => ({
  name,
  itemBytes,
  storageClass,
});

const DTYPES: readonly DType[] = [
  dtype('float32', 4, 'FloatStorage'),
  dtype('float16', 2, 'HalfStorage'),
  dtype('bfloat16', 2, 'BFloat16Storage'),
  dtype('float64', 8, 'DoubleStorage'),
  dtype('int64', 8, 'LongStorage'),
  dtype('int32', 4, 'IntStorage'),
  dtype('int16', 2, 'ShortStorage'),
  dtype('int8', 1, 'CharStorage'),
  dtype('uint8', 1, 'ByteStorage'),
  dtype('bool', 1, 'BoolStorage'),
  dtype('complex64', 8, 'ComplexFloatStorage'),
  dtype('complex128', 16, 'ComplexDoubleStorage'),
  dtype('complex32', 4),
  dtype('uint16', 2),
  dtype('uint32', 4),
  dtype('uint64', 8),
  dtype('float8_e4m3fn', 1),
  dtype('float8_e4m3fnuz', 1),
  dtype('float8_e5m2', 1),
  dtype('float8_e5m2fnuz', 1),
];

const byGlobal = new Map(DTYPES.map((one) => [`torch.${one.name}`, one]));
const byStorageClass = new Map(DTYPES.map((one) => [one.storageClass, one]));

/** `torch.float32`, as pickles name it. */
export function dtypeOfGlobal(name: string): DType | undefined {
  return byGlobal.get(name);
}

/** `torch.FloatStorage`, and the same under torch.cuda and torch.storage; 'bytes' for storages without a format. */
export function dtypeOfStorageClass(name: string): DType | 'bytes' | undefined {
  const [, storageClass] = /^torch(?:\.cuda|\.storage)?\.(\w+Storage)$/.exec(name) ?? [];
  if (storageClass === undefined) return undefined;
  return storageClass === 'UntypedStorage' ? 'bytes' : byStorageClass.get(storageClass);
}
