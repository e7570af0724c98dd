/**
 * @module Shapes of values that come from anybody: workflows' inputs. Each check says what is wrong and where, in one
 * pass over the value, and knows bounds for everything: workflows have no other parser, and what they throw at is retried.
 */

/** @returns What is wrong, beginning with the path; undefined where nothing is. */
export type Check = (value: unknown, path: string) => string | undefined;

const LONGEST_NAME = 512;
const LONGEST_TEXT = 16_384;
const MOST_ITEMS = 10_000;

export const name = text(LONGEST_NAME);
export const words = text(LONGEST_TEXT);
export const count = number((value) => Number.isSafeInteger(value) && value >= 0, 'a whole number from 0');
export const amount = number((value) => value >= 0, 'a number from 0');
export const yes: Check = (value, path) => (value === true ? undefined : `${path} must be true`);

export function text(longest: number): Check {
  return (value, path) => {
    if (typeof value !== 'string') return `${path} must be text, not ${kindOf(value)}`;
    return value.length <= longest ? undefined : `${path} has more than ${String(longest)} letters`;
  };
}

/** @param what How the text is described to people. */
export function matching(pattern: RegExp, what: string): Check {
  return (value, path) =>
    name(value, path) ?? (pattern.test(String(value)) ? undefined : `${path} must be ${what}`);
}

export function oneOf(values: readonly string[]): Check {
  return (value, path) =>
    typeof value === 'string' && values.includes(value)
      ? undefined
      : `${path} must be one of ${values.join(', ')}`;
}

export function listOf(check: Check, most = MOST_ITEMS): Check {
  return (value, path) => {
    if (!Array.isArray(value)) return `${path} must be a list, not ${kindOf(value)}`;
    if (value.length > most) return `${path} has more than ${String(most)} items`;
    return firstOf(value.map((item, index) => () => check(item, `${path}.${String(index)}`)));
  };
}

/** All keys of `required`, any of `optional`, and no others. */
export function object(
  required: Readonly<Record<string, Check>>,
  optional: Readonly<Record<string, Check>> = {},
): Check {
  const all = { ...required, ...optional };
  return (value, path) => {
    if (!isRecord(value)) return `${path} must be an object, not ${kindOf(value)}`;
    const missing = Object.keys(required).find((key) => value[key] === undefined);
    if (missing !== undefined) return `${path}.${missing} is missing`;
    return firstOf(
      Object.entries(value).map(([key, inner]) => () => {
        const check = Object.hasOwn(all, key) ? all[key] : undefined;
        if (check === undefined) return `${path} knows no '${key.slice(0, LONGEST_NAME)}'`;
        return inner === undefined ? undefined : check(inner, `${path}.${key}`);
      }),
    );
  };
}

export function mapOf(check: Check, most = MOST_ITEMS): Check {
  return (value, path) => {
    if (!isRecord(value)) return `${path} must be an object, not ${kindOf(value)}`;
    const entries = Object.entries(value);
    if (entries.length > most) return `${path} has more than ${String(most)} keys`;
    return firstOf(
      entries.map(
        ([key, inner]) =>
          () =>
            check(inner, `${path}.${key.slice(0, LONGEST_NAME)}`),
      ),
    );
  };
}

/** Told apart by one key, as `kind`. */
export function variants(key: string, byValue: Readonly<Record<string, Check>>): Check {
  return (value, path) => {
    if (!isRecord(value)) return `${path} must be an object, not ${kindOf(value)}`;
    const which = value[key];
    const check = typeof which === 'string' && Object.hasOwn(byValue, which) ? byValue[which] : undefined;
    if (check === undefined) return `${path}.${key} must be one of ${Object.keys(byValue).join(', ')}`;
    return check(value, path);
  };
}

/** Any JSON, bounded in depth and in size. */
export function json(deepest: number, most = MOST_ITEMS): Check {
  return (value, path) => {
    let left = most;
    const look = (inner: unknown, depth: number): string | undefined => {
      left -= 1;
      if (left < 0) return `${path} has more than ${String(most)} values`;
      if (depth > deepest) return `${path} is nested more than ${String(deepest)} deep`;
      if (typeof inner === 'string') return words(inner, path);
      if (typeof inner !== 'object' || inner === null) return undefined;
      return firstOf(Object.values(inner).map((one: unknown) => () => look(one, depth + 1)));
    };
    return look(value, 0);
  };
}

function number(holds: (value: number) => boolean, what: string): Check {
  return (value, path) =>
    typeof value === 'number' && Number.isFinite(value) && holds(value)
      ? undefined
      : `${path} must be ${what}`;
}

function firstOf(checks: readonly (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const problem = check();
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value;
}
