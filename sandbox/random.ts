/**
 * @module Random numbers with a seed, so that what went wrong can be had again; Math.random has none.
 */

/** The first draws of neighbouring seeds are alike: left out. */
const WARM_UP = 16;

/** Draws numbers between 0 and 1: xorshift with 32 bits (George Marsaglia, 2003). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  const draw = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
  for (let skipped = 0; skipped < WARM_UP; skipped += 1) draw();
  return draw;
}
