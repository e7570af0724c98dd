/** @module What is fuzzed: a parser with small real inputs, and the only errors that it may throw. */
export interface Target {
  readonly name: string;
  /** Small real inputs, which are changed. */
  readonly seeds: readonly Uint8Array[];
  /** Inputs that an attacker would send; each was found to do harm, or is of the same kind. */
  readonly hostile?: readonly Uint8Array[];
  /** Names of the errors that a caller knows. */
  readonly errors: readonly string[];
  readonly run: (input: Buffer) => unknown;
}

/** For parsers of text. */
export function textTarget(
  name: string,
  run: (text: string) => unknown,
  { seeds, hostile = [], errors = [] }: TextOptions,
): Target {
  return {
    name,
    seeds: seeds.map((text) => Buffer.from(text)),
    hostile: hostile.map((text) => Buffer.from(text)),
    errors,
    run: (input) => run(input.toString('utf8')),
  };
}

interface TextOptions {
  readonly seeds: readonly string[];
  readonly hostile?: readonly string[];
  readonly errors?: readonly string[];
}

/** For parsers of values that came as JSON: what is not JSON any more is none of their business. */
export function valueTarget(
  name: string,
  run: (value: unknown) => unknown,
  { seeds, hostile = [], errors = [] }: ValueOptions,
): Target {
  const text = (value: unknown) => JSON.stringify(value);
  return textTarget(
    name,
    (json) => {
      const parsed = parsedJson(json);
      return parsed === undefined ? undefined : run(parsed.value);
    },
    { seeds: seeds.map(text), hostile: [...HOSTILE_VALUES, ...hostile].map(text), errors },
  );
}

interface ValueOptions {
  readonly seeds: readonly unknown[];
  readonly hostile?: readonly unknown[];
  readonly errors?: readonly string[];
}

const HOSTILE_VALUES: readonly unknown[] = [
  null,
  0,
  '',
  [],
  {},
  true,
  { constructor: 1 },
  [[]],
  1e308,
  'x'.repeat(60_000),
];

function parsedJson(text: string): { readonly value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch {
    return undefined;
  }
}
