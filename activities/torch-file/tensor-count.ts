/**
 * @module How much a set of tensors is.
 */
import { numelOf, type Tensor } from './checkpoint.ts';

export interface TensorCount {
  readonly tensors: number;
  /** Numbers in all of them; those that two tensors share count twice, as torch counts them. */
  readonly parameters: number;
}

export function countOf(tensors: readonly Tensor[]): TensorCount {
  const parameters = tensors.reduce((sum, tensor) => sum + numelOf(tensor), 0);
  return { tensors: tensors.length, parameters };
}
