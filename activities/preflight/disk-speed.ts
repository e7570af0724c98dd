/** @module What is usual on this host, from its own former checks, and whether a new figure is far below it. */
import { z } from 'zod';
import { keep, readKept } from './kept-findings.ts';

const FILE = 'usual.json';
const speedsSchema = z.record(z.string(), z.array(z.number()));

/** From so many on, they say what is usual. */
const ENOUGH = 3;
const MOST_KEPT = 50;

export interface Usual {
  readonly usual: number | undefined;
  /** In words, for whoever reads the figure beside it. */
  readonly said: string;
}

/** @param what Equals are compared with equals: `gemm NVIDIA H100`. */
export async function usualSpeed(scratch: string, what: string): Promise<Usual> {
  const kept = (await readKept(scratch, FILE, speedsSchema))?.[what] ?? [];
  if (kept.length < ENOUGH) return { usual: undefined, said: 'nothing usual known here yet' };
  const usual = median(kept);
  return { usual, said: `usual here: ${usual}` };
}

export function isFarBelow(figure: number, usual: number | undefined): boolean {
  return usual !== undefined && figure < usual / 2;
}

/** Only what passed: a host that slows down must not make that its habit. */
export async function keepSpeed(scratch: string, what: string, figure: number): Promise<void> {
  const all = (await readKept(scratch, FILE, speedsSchema)) ?? {};
  await keep(scratch, FILE, { ...all, [what]: [...(all[what] ?? []), figure].slice(-MOST_KEPT) });
}

export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
