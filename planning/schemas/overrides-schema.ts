/** @module What overrides may hold: what JSON and the trainer's YAML keep as it is, and no more than a config needs. */
import { z } from 'zod';
import type { ConfigValue } from '../../contracts/plan.ts';
import { isWholeNumber } from '../glee/key-types.ts';
import { isList, isSettings } from '../reading/nested-settings.ts';

const KEY = /^[\w.-]{1,100}$/;
const RESERVED = new Set(['__proto__', 'constructor', 'prototype']);
const DEEPEST = 8;
const MOST_VALUES = 5000;
const LONGEST_TEXT = 10_000;
// Line breaks and tabs may be in a text; halves of characters may not.
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]|\p{Surrogate}/u;

export const overrides = bounded(z.record(z.string(), z.json())).describe(
  "Settings laid over GLEE's config, nested as in its YAML. A list replaces GLEE's list as a whole.",
);

/** A value that a sweep sets in a config. */
export const configValue = bounded(z.json());

/** A number that is not finite is told as such by schema-problems.ts. */
function bounded<T extends z.ZodType<ConfigValue>>(schema: T) {
  return schema.superRefine((value, context) => {
    const problem = new Bounds().problem(value, []);
    if (problem !== undefined) context.addIssue({ code: 'custom', ...problem });
  });
}

interface Problem {
  readonly path: (string | number)[];
  readonly message: string;
}

class Bounds {
  #values = 0;

  /** The first invalid part. */
  problem(value: ConfigValue, path: (string | number)[]): Problem | undefined {
    const message = this.#message(value, path.length);
    if (message !== undefined) return { path, message };
    const below = isList(value) ? [...value.entries()] : isSettings(value) ? Object.entries(value) : [];
    for (const [key, inner] of below) {
      if (typeof key === 'string' && (!KEY.test(key) || RESERVED.has(key)))
        return {
          path,
          message: `has the key ${JSON.stringify(key.slice(0, 100))}: letters, digits, _ . - only`,
        };
      const found = this.problem(inner, [...path, key]);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #message(value: ConfigValue, depth: number): string | undefined {
    this.#values += 1;
    if (this.#values > MOST_VALUES) return `has more than ${MOST_VALUES} values`;
    if (depth > DEEPEST) return `is nested deeper than ${DEEPEST} levels`;
    if (typeof value === 'number' && isWholeNumber(value) && !Number.isSafeInteger(value))
      return `is a whole number of more digits than are kept: quote it, and the trainer reads it whole`;
    if (typeof value !== 'string') return undefined;
    if (value.length > LONGEST_TEXT) return `must have at most ${LONGEST_TEXT} characters`;
    return UNWRITABLE.test(value) ? 'has control characters: remove them' : undefined;
  }
}
