/** @module Durations as people write them: `500ms`, `30s`, `5m`, `2h`, `1d`. */
import { z } from 'zod';

export const DURATION_PATTERN = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)$/;

const MILLISECONDS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Ten years: nothing here waits longer, and no clock overflows. */
const LONGEST_MS = 3650 * 86_400_000;

/** Milliseconds of a duration of ten years at most, or undefined where the text is none. */
export function durationMs(text: string): number | undefined {
  const match = DURATION_PATTERN.exec(text);
  const unit = MILLISECONDS.get(match?.[2] ?? '');
  if (unit === undefined) return undefined;
  const ms = Math.round(Number(match?.[1]) * unit);
  return ms <= LONGEST_MS ? ms : undefined;
}

/** A duration in a config, within bounds that are durations themselves: `1s`, `7d`. It stays a text. */
export function durationText(least: string, most: string, otherwise = '') {
  const [leastMs = 0, mostMs = LONGEST_MS] = [durationMs(least), durationMs(most)];
  return z
    .string()
    .regex(
      DURATION_PATTERN,
      `is ${otherwise}no duration: write a number and a unit, as 500ms, 30s, 5m, 2h or 1d`,
    )
    .refine(
      (text) => {
        const ms = durationMs(text);
        // What has no such form is told above.
        return !DURATION_PATTERN.test(text) || (ms !== undefined && ms >= leastMs && ms <= mostMs);
      },
      { error: `must be from ${least} to ${most}` },
    );
}

/** The same as milliseconds. */
export function duration(least: string, most: string) {
  return durationText(least, most).transform((text) => durationMs(text) ?? 0);
}
