/**
 * @module Readers of unknown data where zod cannot go: messages to workflows, whose bundle holds contracts alone. Each
 * reader bounds what it reads in size and count.
 */

/** A value as it came from outside, or what is wrong with it. */
export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Returns the value, or throws a problem that names `at`. */
export type Reader<T> = (value: unknown, at: string) => T;

class Malformed extends Error {}

/** @param at What the value is called in problems: `join`, `request`. */
export function parse<T>(read: Reader<T>, value: unknown, at: string): Parsed<T> {
  try {
    return { ok: true, value: read(value, at) };
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, problem: error.message };
    throw error;
  }
}

/** The fields of an object, by name. Fields that nobody reads are left out of the result. */
export interface Fields {
  of<T>(key: string, read: Reader<T>): T;
  has(key: string): boolean;
}

export function fieldsOf(value: unknown, at: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(value, at, 'an object');
  const facts: Record<string, unknown> = { ...value };
  return {
    of: (key, read) => read(facts[key], `${at}.${key}`),
    has: (key) => facts[key] !== undefined,
  };
}

/** @param what How the pattern is described to people. */
export function text(longest: number, matches?: (value: string) => boolean, what = 'text'): Reader<string> {
  return (value, at) => {
    if (typeof value !== 'string' || value.length > longest || matches?.(value) === false)
      throw malformed(value, at, `${what} of at most ${String(longest)} characters`);
    return value;
  };
}

export function whole(least: number, most: number): Reader<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
      throw malformed(value, at, `a whole number from ${String(least)} to ${String(most)}`);
    return value;
  };
}

export function amount(most: number, least = 0): Reader<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !(value >= least && value <= most))
      throw malformed(value, at, `a number from ${String(least)} to ${String(most)}`);
    return value;
  };
}

export function listOf<T>(read: Reader<T>, most: number): Reader<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value) || value.length > most)
      throw malformed(value, at, `a list of at most ${String(most)} entries`);
    return value.map((one: unknown, index) => read(one, `${at}[${String(index)}]`));
  };
}

export function recordOf<T>(key: Reader<string>, read: Reader<T>, most: number) {
  return (value: unknown, at: string): Readonly<Record<string, T>> => {
    fieldsOf(value, at);
    const entries = Object.entries(value ?? {});
    if (entries.length > most) throw malformed(value, at, `an object of at most ${String(most)} entries`);
    return Object.fromEntries(
      entries.map(([name, one]: [string, unknown]) => [key(name, at), read(one, `${at}.${name}`)]),
    );
  };
}

export function oneOf<const T extends string | true>(...values: readonly T[]): Reader<T> {
  return (value, at) => {
    const found = values.find((one) => one === value);
    if (found === undefined)
      throw malformed(value, at, values.map((one) => JSON.stringify(one)).join(' or '));
    return found;
  };
}

export function orNull<T>(read: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null ? null : read(value, at));
}

const SHOWN = 60;

function malformed(value: unknown, at: string, wanted: string): Error {
  const found =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? JSON.stringify(typeof value === 'string' ? value.slice(0, SHOWN) : value)
      : value === null
        ? 'null'
        : Array.isArray(value)
          ? `a list of ${String(value.length)}`
          : typeof value;
  return new Malformed(`${at} must be ${wanted}, not ${found}`);
}
