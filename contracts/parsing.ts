/**
 * @module Readers of unknown data for workflows: their inputs, messages and answers. Each reader bounds what it reads in
 * size and count. zod, which parses everywhere else, would add a megabyte to the workflow bundle.
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

/** The fields of an object, by name. Fields that no one reads are left out of the result. */
export interface Fields {
  of<T>(key: string, read: Reader<T>): T;
  has(key: string): boolean;
}

export function fieldsOf(value: unknown, at: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(value, at, 'an object');
  const facts = new Map<string, unknown>(Object.entries(value));
  return {
    of: (key, read) => read(facts.get(key), `${at}.${key}`),
    has: (key) => facts.get(key) !== undefined,
  };
}

/** @param what How the pattern is described to people. */
export function text(longest: number, matches?: (value: string) => boolean, what = 'text'): Reader<string> {
  return (value, at) => {
    if (typeof value !== 'string' || value.length > longest || matches?.(value) === false)
      throw malformed(value, at, `${what} of at most ${longest} characters`);
    return value;
  };
}

export function whole(least: number, most: number): Reader<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
      throw malformed(value, at, `a whole number from ${least} to ${most}`);
    return value;
  };
}

export function amount(most: number, least = 0): Reader<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !(value >= least && value <= most))
      throw malformed(value, at, `a number from ${least} to ${most}`);
    return value;
  };
}

export function listOf<T>(read: Reader<T>, most: number): Reader<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value) || value.length > most)
      throw malformed(value, at, `a list of at most ${most} entries`);
    return value.map((one: unknown, index) => read(one, `${at}[${index}]`));
  };
}

export function recordOf<T>(key: Reader<string>, read: Reader<T>, most: number) {
  return (value: unknown, at: string): Readonly<Record<string, T>> => {
    fieldsOf(value, at);
    const entries = Object.entries(value ?? {});
    if (entries.length > most) throw malformed(value, at, `an object of at most ${most} entries`);
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

type Readers<T> = { readonly [Key in keyof T]: Reader<T[Key]> };

/** An object with all fields of `required`, any of `optional`, and no others: what a program of this version sends. */
export function exactly<R extends object>(required: Readers<R>): Reader<R>;
export function exactly<R extends object, O extends object>(
  required: Readers<R>,
  optional: Readers<O>,
): Reader<R & Partial<O>>;
export function exactly(
  required: Readonly<Record<string, Reader<unknown>>>,
  optional: Readonly<Record<string, Reader<unknown>>> = {},
): Reader<unknown> {
  const readers = new Map(Object.entries({ ...required, ...optional }));
  return (value, at) => {
    const fields = fieldsOf(value, at);
    const missing = Object.keys(required).find((key) => !fields.has(key));
    if (missing !== undefined) throw new Malformed(`${at}.${missing} is missing`);
    const unknown = Object.keys(value ?? {}).find((key) => !readers.has(key));
    if (unknown !== undefined) throw new Malformed(`${at} has an unknown key '${unknown.slice(0, SHOWN)}'`);
    const read = [...readers].filter(([key]) => fields.has(key));
    return Object.fromEntries(read.map(([key, reader]) => [key, fields.of(key, reader)]));
  };
}

type ReadBy<R> = { readonly [Key in keyof R]: R[Key] extends Reader<infer T> ? T : never }[keyof R];

/** Objects that are told apart by the text of one field, as `kind`. */
export function variants<R extends Readonly<Record<string, Reader<object>>>>(
  field: string,
  byText: R,
): Reader<ReadBy<R>>;
export function variants(field: string, byText: Readonly<Record<string, Reader<object>>>): Reader<unknown> {
  const readers = new Map(Object.entries(byText));
  return (value, at) => {
    const which = fieldsOf(value, at).of(field, oneOf(...readers.keys()));
    return readers.get(which)?.(value, at);
  };
}

/** Any JSON, bounded in depth, in values, and in the length of each text. */
export function json(deepest: number, most: number, longestText: number): Reader<unknown> {
  return (value, at) => {
    let left = most;
    const look = (inner: unknown, depth: number): void => {
      left -= 1;
      if (left < 0) throw new Malformed(`${at} has more than ${most} values`);
      if (depth > deepest) throw new Malformed(`${at} is nested more than ${deepest} deep`);
      if (typeof inner === 'string') text(longestText)(inner, at);
      if (typeof inner === 'object' && inner !== null)
        for (const one of Object.values(inner)) look(one, depth + 1);
    };
    look(value, 0);
    return value;
  };
}

/** @param what How such a value is described to people. */
export function satisfying<T>(holds: (value: unknown) => value is T, what: string): Reader<T> {
  return (value, at) => {
    if (!holds(value)) throw malformed(value, at, what);
    return value;
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
          ? `a list of ${value.length}`
          : value === undefined
            ? 'nothing'
            : typeof value;
  return new Malformed(`${at} must be ${wanted}, not ${found}`);
}
