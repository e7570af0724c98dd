/** @module Invariant of the pool: a GPU has one holder. */
import type { PoolView } from '../../contracts/pool-view.ts';
import type { Violation } from './story.ts';

export function checkLeases({ hosts }: Pick<PoolView, 'hosts'>): readonly Violation[] {
  return hosts.flatMap(({ name, gpus, leases }) => {
    const holders = new Map<number, string[]>();
    for (const { holder, gpuIndices } of leases)
      for (const gpu of gpuIndices) holders.set(gpu, [...(holders.get(gpu) ?? []), holder]);
    return [...holders].flatMap(([gpu, of]) => {
      const where = `GPU ${gpu} of ${name}`;
      if (of.length > 1)
        return [{ rule: 'one holder a GPU', text: `${where} is held by ${of.join(' and ')}` }];
      return gpu >= gpus ? [{ rule: 'one holder a GPU', text: `${where} is leased and not there` }] : [];
    });
  });
}
