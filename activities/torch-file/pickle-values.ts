/**
 * @module What a pickle is read as: plain data. Nothing in it is a function that could be called.
 */
import type { DType } from './dtypes.ts';

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickledBytes
  | PickledTuple
  | PickledList
  | PickledDict
  | PickledGlobal
  | PickledStorage
  | PickledTensor
  | PickledOpaque;

interface PickledBytes {
  readonly kind: 'bytes';
  readonly sizeBytes: number;
}

export interface PickledTuple {
  readonly kind: 'tuple';
  readonly items: readonly PickleValue[];
}

interface PickledList {
  readonly kind: 'list';
  readonly items: PickleValue[];
}

/** In the pickle's order; of a key that comes twice the last one counts, as in Python. */
export interface PickledDict {
  readonly kind: 'dict';
  readonly pairs: (readonly [PickleValue, PickleValue])[];
}

/** A class or function, by its dotted name. */
interface PickledGlobal {
  readonly kind: 'global';
  readonly name: string;
}

/** A reference to one of the archive's members. */
export interface PickledStorage {
  readonly kind: 'storage';
  readonly key: string;
  /** 'bytes': without a format, which the tensor then has. */
  readonly dtype: DType | 'bytes';
  /** In numbers, or in bytes without a format. */
  readonly numel: number;
}

export interface PickledTensor {
  readonly kind: 'tensor';
  readonly dtype: DType;
  readonly storage: PickledStorage;
  /** In numbers, as the strides. */
  readonly storageOffset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly requiresGrad: boolean;
}

/** An object of a class that means nothing here; what it holds is left out. */
interface PickledOpaque {
  readonly kind: 'opaque';
  readonly name: string;
}

type Compound = Exclude<PickleValue, null | boolean | number | bigint | string>;

/** A guard for one kind of value. */
export function isKind<K extends Compound['kind']>(kind: K) {
  return (value: PickleValue | undefined): value is Extract<Compound, { readonly kind: K }> =>
    typeof value === 'object' && value?.kind === kind;
}

/** What a value is, in a message. */
export function describeValue(value: PickleValue): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'boolean') return 'a bool';
  if (typeof value !== 'object') return 'a number';
  if (value.kind === 'opaque') return `an object of ${value.name}`;
  return value.kind === 'global' ? value.name : `a ${value.kind}`;
}
