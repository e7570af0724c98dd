/** @module Which values yacs takes for a key: those of the very type of its default (`_check_and_coerce_cfg_value_type`). */
import type { ConfigValue, Overrides } from '../../contracts/plan.ts';
import { gleeKeyType, type KeyType } from './glee-keys.ts';
import { parsePythonLiteral } from '../pyyaml/python-literal.ts';
import { isPythonList, isPythonSettings, PythonOther, type PythonValue } from '../pyyaml/python-value.ts';
import { isList, isSettings } from '../reading/nested-settings.ts';

const TYPES: Readonly<Record<KeyType, { readonly name: string; fits: (value: PythonValue) => boolean }>> = {
  int: { name: 'a whole number', fits: (value) => typeof value === 'bigint' },
  float: { name: 'a number', fits: (value) => typeof value === 'number' },
  bool: { name: 'true or false', fits: (value) => typeof value === 'boolean' },
  str: { name: 'a text', fits: (value) => typeof value === 'string' },
  list: { name: 'a list', fits: isPythonList },
  any: { name: 'a value', fits: (value) => !isPythonSettings(value) },
};

/** What is wrong with a value for a key of that type, or undefined. Each may be None, and a list a tuple. */
export function typeProblem(value: PythonValue, type: KeyType): string | undefined {
  const { name, fits } = TYPES[type];
  if (value === null || (fits(value) && !(value instanceof PythonOther))) return undefined;
  const right = type === 'float' && typeof value === 'bigint' ? `written ${value}.0` : name;
  return `must be ${right}, not ${shown(value)}: yacs refuses other types`;
}

/**
 * An override as Python has it once it was written for the trainer: a number is a float where the key has one, a text
 * is what yacs makes of it.
 */
export function asWritten(value: ConfigValue, type: KeyType | undefined): PythonValue {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    const literal = parsePythonLiteral(value);
    return literal === undefined ? value : literal;
  }
  if (typeof value === 'number') return isWholeNumber(value) && type !== 'float' ? BigInt(value) : value;
  if (isList(value))
    return value.map((item) => (typeof item === 'string' ? item : asWritten(item, undefined)));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asWritten(item, undefined)]));
}

/**
 * Overrides as the trainer's YAML will have them. Whether a whole number is written as 1 or as 1.0 follows from this
 * package's list of keys; where the checkout has another type, the number goes as a text, which yacs reads.
 */
export function typedOverrides(
  overrides: Overrides,
  types: ReadonlyMap<string, KeyType>,
  above = '',
): Overrides {
  const typed = Object.entries(overrides).map(([name, value]): [string, ConfigValue] => {
    const key = `${above}${name}`;
    if (isSettings(value)) return [name, typedOverrides(value, types, `${key}.`)];
    const type = types.get(key);
    const fits = typeof value !== 'number' || !isWholeNumber(value) || (type !== 'int' && type !== 'float');
    if (fits || (gleeKeyType(key) === 'float') === (type === 'float')) return [name, value];
    return [name, type === 'float' ? `${value}.0` : String(value)];
  });
  return Object.fromEntries(typed);
}

/** Whether Python reads the number as an int, as JavaScript writes it. */
export function isWholeNumber(value: number): boolean {
  return /^-?\d+$/.test(String(value));
}

function shown(value: PythonValue): string {
  if (value instanceof PythonOther) return value.type === 'bytes' ? value.type : `a ${value.type}`;
  if (typeof value === 'number') {
    return isWholeNumber(value) ? `${value}.0` : String(value);
  }
  if (typeof value === 'bigint') return String(value).slice(0, 40);
  const text = JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'bigint' ? Number(inner) : inner,
  );
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
