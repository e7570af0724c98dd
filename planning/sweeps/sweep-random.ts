/** @module Draws of a search space: the same seed gives the same ones, on every machine. */
import type { ConfigValue } from '../../contracts/plan.ts';
import type { Distribution, SearchSpace, TrialParameters } from '../../contracts/sweep.ts';
import { canonicalJson } from '../inputs-checksum.ts';

const DIGITS = 4;
/** Draws that may repeat an earlier one before the space counts as exhausted. */
const TRIES = 1000;

/** All different. Fewer than asked for where the space seems to have no more. */
export function drawSamples({
  samples,
  seed,
  space,
}: NonNullable<SearchSpace['random']>): readonly TrialParameters[] {
  const random = uniform(seed);
  const drawn = new Map<string, TrialParameters>();
  for (let misses = 0; drawn.size < samples && misses < TRIES;) {
    const one = Object.fromEntries(Object.entries(space).map(([key, from]) => [key, draw(from, random)]));
    const text = canonicalJson(one);
    if (drawn.has(text)) misses += 1;
    else drawn.set(text, one);
  }
  return [...drawn.values()];
}

function draw(from: Distribution, random: () => number): ConfigValue {
  const share = random();
  switch (from.kind) {
    case 'choice':
      return from.values[Math.floor(share * from.values.length)] ?? null;
    case 'uniform':
      return within(from, from.low + share * (from.high - from.low));
    case 'logUniform':
      return within(from, from.low * (from.high / from.low) ** share);
  }
}

/** Rounding must not lead out of the range. */
function within({ low, high }: { readonly low: number; readonly high: number }, value: number): number {
  return Math.min(high, Math.max(low, Number(value.toPrecision(DIGITS))));
}

/** The splitmix32 sequence, from 0 to below 1: no engine's own generator, which may change. */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let word = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
    return ((word ^ (word >>> 15)) >>> 0) / 2 ** 32;
  };
}
