/**
 * @module Fuzzes one target after the other in a thread of its own, which may hang or run out of memory: the thread that
 * watches knows by what stands in shared memory which case it was.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { mutated, randomOf } from './mutate.ts';
import { TARGETS } from './targets.ts';
import { smaller, tryCase } from './try-case.ts';

const { seed, first, only, shared } = z
  .object({
    seed: z.number(),
    first: z.number(),
    only: z.string().nullable(),
    shared: z.instanceof(SharedArrayBuffer),
  })
  .parse(workerData);
const now = new Int32Array(shared);
const targets = TARGETS.filter(({ name }) => only === null || name === only);

for (let number = first; ; number += 1) {
  const target = targets[number % targets.length];
  if (target === undefined) throw new Error(`no target is called ${only}`);
  Atomics.store(now, 0, number);
  const input = mutated(target.seeds, randomOf(seed + number));
  const problem = await tryCase(target, input);
  if (problem !== undefined) {
    const least = await smaller(target, input);
    parentPort?.postMessage({ number, target: target.name, problem, input: least.toString('base64') });
  }
}
