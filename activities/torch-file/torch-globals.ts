/**
 * @module The classes and functions that files of torch name: those of torch's own restricted reader (`weights_only`),
 * and a few that hold data in checkpoints of years ago and do nothing else.
 */
import { dtypeOfGlobal, dtypeOfStorageClass } from './dtypes.ts';

const below = (module: string, names: readonly string[]) => names.map((name) => `${module}.${name}`);

const REBUILDS = below('torch._utils', [
  ...['_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_tensor_v3', '_rebuild_parameter'],
  ...[
    '_rebuild_parameter_with_state',
    '_rebuild_qtensor',
    '_rebuild_sparse_tensor',
    '_rebuild_sparse_csr_tensor',
  ],
  ...['_rebuild_meta_tensor_no_storage', '_rebuild_nested_tensor', '_rebuild_device_tensor_from_numpy'],
  ...['_rebuild_device_tensor_from_cpu_tensor', '_rebuild_wrapper_subclass'],
]);

const DATA = new Set([
  ...REBUILDS,
  ...[
    'torch.Size',
    'torch.device',
    'torch.Tensor',
    'torch._tensor.Tensor',
    'torch._tensor._rebuild_from_type_v2',
  ],
  ...['torch.nn.parameter.Parameter', 'torch.nn.parameter.Buffer', 'torch.serialization._get_layout'],
  ...below('collections', ['OrderedDict', 'defaultdict', 'Counter']),
  ...['builtins', '__builtin__'].flatMap((module) =>
    below(module, [
      'set',
      'frozenset',
      'list',
      'dict',
      'tuple',
      'int',
      'float',
      'complex',
      'bool',
      'str',
      'bytearray',
    ]),
  ),
  ...['numpy.core', 'numpy._core'].flatMap((module) =>
    below(`${module}.multiarray`, ['scalar', '_reconstruct']),
  ),
  ...['numpy.dtype', 'numpy.ndarray', '_codecs.encode', 'argparse.Namespace'],
  ...['yacs.config.CfgNode', 'fvcore.common.config.CfgNode', 'detectron2.config.config.CfgNode'],
]);

/** False for every class and function that a file of weights has no need of, harmless or not. */
export function isTorchGlobal(name: string): boolean {
  return DATA.has(name) || dtypeOfGlobal(name) !== undefined || dtypeOfStorageClass(name) !== undefined;
}
