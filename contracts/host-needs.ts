/** @module Whether a host suits a request, free or not: one rule for the pool and for those who ask it. */
import type { Host, HostNeeds } from './pool.ts';

export interface NeededOfHost {
  readonly gpusPerHost: number;
  readonly needs?: HostNeeds;
}

export function meets(
  host: Pick<Host, 'gpus' | 'gpuMemoryMiB' | 'labels'>,
  { gpusPerHost, needs }: NeededOfHost,
): boolean {
  const labels = Object.entries(needs?.labels ?? {});
  return (
    host.gpus >= gpusPerHost &&
    (needs?.gpuMemoryMiB === undefined || (host.gpuMemoryMiB ?? 0) >= needs.gpuMemoryMiB) &&
    labels.every(([key, value]) => host.labels?.[key] === value)
  );
}
