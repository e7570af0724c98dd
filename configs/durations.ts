/** @module Durations as people write them in configs: `500ms`, `30s`, `5m`, `2h`, `1d`. */

export const DURATION_PATTERN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

const MILLISECONDS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Milliseconds of a duration, or undefined where the text is none. */
export function durationMs(text: string): number | undefined {
  const match = DURATION_PATTERN.exec(text);
  const unit = MILLISECONDS.get(match?.[2] ?? '');
  return unit === undefined ? undefined : Math.round(Number(match?.[1]) * unit);
}
