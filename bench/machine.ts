/**
 * @module On what machine a bench ran.
 */
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

export function machineLine(): string {
  return JSON.stringify({
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
      platform: `${type()} ${release()} ${process.arch}`,
    },
  });
}

/** Times depend on what else the machine has to do. */
export function loadText(): string {
  return `load ${(loadavg()[0] ?? 0).toFixed(1)} on ${availableParallelism()} cores`;
}
