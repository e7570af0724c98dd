/** @module The GPUs that this process may use, and the part of them that a trainer gets. */
import { EnvironmentError } from './environment-error.ts';

/**
 * The part of a host's GPUs that a trainer gets. Where the worker has CUDA_VISIBLE_DEVICES itself, the indices count
 * what that names; else they are nvidia-smi's, which CUDA counts alike only when it is told to.
 *
 * @throws EnvironmentError when the worker has not so many.
 */
export function gpuVariables(indices: readonly number[] | undefined): Record<string, string> {
  if (indices === undefined) return {};
  const { CUDA_VISIBLE_DEVICES: own, CUDA_DEVICE_ORDER: order = 'PCI_BUS_ID' } = process.env;
  const devices = visibleDevices();
  if (devices === undefined) return { CUDA_VISIBLE_DEVICES: indices.join(','), CUDA_DEVICE_ORDER: order };
  // A worker that hides its GPUs, as where they are pretended, has none to give.
  if (devices.length === 0) return {};
  const given = indices.map((index) => {
    const device = devices[index];
    if (device !== undefined) return device;
    const message = `GPU ${index} of this host was asked for, but its worker's CUDA_VISIBLE_DEVICES is '${own ?? ''}'`;
    throw new EnvironmentError(message);
  });
  return { CUDA_VISIBLE_DEVICES: given.join(',') };
}

/** The GPUs that this process may use, as its CUDA_VISIBLE_DEVICES names them; undefined: all. CUDA stops at a -1. */
export function visibleDevices(): readonly string[] | undefined {
  const own = process.env.CUDA_VISIBLE_DEVICES;
  if (own === undefined) return undefined;
  const devices = own.split(',').map((device) => device.trim());
  const end = devices.findIndex((device) => device === '' || device === '-1');
  return end === -1 ? devices : devices.slice(0, end);
}
