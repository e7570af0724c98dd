/** @module Reads a GLEE config as GLEE does: YAML 1.1 (PyYAML), `_BASE_` (fvcore), texts that are literals (yacs). */
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import type { ConfigValue } from '../../contracts/plan.ts';
import { ConfigError } from '../reading/problems.ts';
import { parsePythonLiteral } from '../pyyaml/python-literal.ts';
import {
  isPythonSettings,
  plain,
  plainSettings,
  type PythonSettings,
  type PythonValue,
} from '../pyyaml/python-value.ts';
import { parsePyYaml } from '../pyyaml/read-pyyaml.ts';
import { isSettings, type Settings } from '../reading/nested-settings.ts';
import { readSmallText } from '../reading/small-file.ts';
import { messageOf } from '../../contracts/error-message.ts';

/**
 * The settings of a GLEE config with those of its bases, decoded.
 * @param file Relative to the checkout; problems name it so.
 * @throws ConfigError when it, or one of its bases, is missing or can't be read.
 */
export async function readGleeConfig(checkout: string, file: string): Promise<Settings> {
  return plainSettings(await readPythonConfig(checkout, file));
}

/** The same with Python's types, which yacs compares with those of the defaults. */
export async function readPythonConfig(checkout: string, file: string): Promise<PythonSettings> {
  return decodePython(await readWithBase(checkout, resolve(checkout, file), []));
}

/**
 * Texts that are Python literals become their values, as in yacs's `_decode_cfg_value`: GLEE writes tuples as
 * texts, `TRAIN: ("a", "b",)`. Items of lists stay as they are.
 */
export function decodeSettings(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, decode(value)]));
}

function decode(value: ConfigValue): ConfigValue {
  if (isSettings(value)) return decodeSettings(value);
  if (typeof value !== 'string') return value;
  const literal = parsePythonLiteral(value);
  return literal === undefined ? value : plain(literal);
}

function decodePython(settings: PythonSettings): PythonSettings {
  const decoded = Object.entries(settings).map(([key, value]): [string, PythonValue] => {
    if (isPythonSettings(value)) return [key, decodePython(value)];
    const literal = typeof value === 'string' ? parsePythonLiteral(value) : undefined;
    return [key, literal === undefined ? value : literal];
  });
  return Object.fromEntries(decoded);
}

async function readWithBase(
  checkout: string,
  path: string,
  above: readonly string[],
): Promise<PythonSettings> {
  const shown = (file: string) => shownInCheckout(checkout, file);
  const from = above.at(-1);
  const fail = (file: string, key: string, message: string) =>
    new ConfigError([{ level: 'error', file: shown(file), key, message }]);
  if (above.includes(path)) throw fail(path, '_BASE_', `leads back to itself through ${shown(from ?? path)}`);
  if (above.length >= MOST_BASES)
    throw fail(path, '_BASE_', `is the base of ${MOST_BASES} others, one a base of the next`);
  const text = await readSmallText(path).catch((error: unknown) => {
    const cause = messageOf(error);
    throw from === undefined
      ? fail(path, '', `cannot be read: ${cause}`)
      : fail(from, '_BASE_', `names a file that cannot be read: ${cause}`);
  });
  const { _BASE_: base, ...own } = parseSettings(text, shown(path));
  if (base === undefined) return own;
  // fvcore would fetch a URL; a training must not depend on one.
  if (typeof base !== 'string' || /^(https?:\/\/|~)/.test(base)) {
    throw fail(path, '_BASE_', 'must be the path of a file, relative to this one or absolute');
  }
  const below = await readWithBase(checkout, resolve(dirname(path), base), [...above, path]);
  return inherit(below, own, (key) =>
    fail(path, key, `is a section here and a value in ${base}: fvcore stops there`),
  );
}

/** No more than a person can follow. */
const MOST_BASES = 16;

/** fvcore's `merge_a_into_b`. */
function inherit(
  base: PythonSettings,
  own: PythonSettings,
  fail: (key: string) => Error,
  path: readonly string[] = [],
): PythonSettings {
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(own)) {
    const below = merged.get(key);
    const at = [...path, key];
    if (!isPythonSettings(value) || below === undefined) merged.set(key, value);
    else if (isPythonSettings(below)) merged.set(key, inherit(below, value, fail, at));
    else throw fail(at.join('.'));
  }
  return Object.fromEntries(merged);
}

function parseSettings(text: string, file: string): PythonSettings {
  const { value, faults } = parsePyYaml(text);
  if (faults !== undefined) {
    throw new ConfigError(faults.map((fault) => ({ level: 'error', file, key: '', ...fault })));
  }
  if (value === null) return {};
  if (isPythonSettings(value)) return value;
  throw new ConfigError([
    { level: 'error', file, key: '', message: 'holds values that no GLEE config can hold: it is no map' },
  ]);
}

function shownInCheckout(checkout: string, path: string): string {
  const inside = relative(checkout, path);
  return inside.startsWith('..') || isAbsolute(inside) ? path : inside;
}
