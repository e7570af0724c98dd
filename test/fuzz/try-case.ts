/** @module One input given to one parser, and what is wrong with how it took it. */
import type { Target } from './target.ts';

/** For 64 KiB, on a machine that has other work as well. */
export const LONGEST_MS = 1000;
const LONGEST_MESSAGE = 20_000;

/** Undefined where it answered, or refused as it may, soon and in few words. */
export async function tryCase(target: Target, input: Buffer): Promise<string | undefined> {
  const begun = process.cpuUsage();
  const problem = await outcome(target, input);
  const { user, system } = process.cpuUsage(begun);
  const tookMs = (user + system) / 1000;
  return problem ?? (tookMs > LONGEST_MS ? `took ${Math.round(tookMs)} ms of CPU` : undefined);
}

async function outcome({ run, errors }: Target, input: Buffer): Promise<string | undefined> {
  try {
    await run(input);
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) return `throws ${String(error)}, which is no error`;
    if (!errors.includes(error.name)) return `throws ${error.name}: ${error.stack ?? error.message}`;
    if (error.message.length <= LONGEST_MESSAGE) return undefined;
    return `throws ${error.name} with ${error.message.length} characters`;
  }
}

const MOST_TRIES = 200;

/** A smaller input with which the same parser still fails, where one is found cheaply. */
export async function smaller(target: Target, input: Buffer): Promise<Buffer> {
  let best = input;
  let tries = 0;
  for (let size = best.length >> 1; size > 0 && tries < MOST_TRIES; size >>= 1) {
    for (let at = 0; at < best.length && tries < MOST_TRIES; tries += 1) {
      const without = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if ((await tryCase(target, without)) === undefined) at += size;
      else best = without;
    }
  }
  return best;
}
