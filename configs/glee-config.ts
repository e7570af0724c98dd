/** @module Reads a GLEE config as GLEE does: YAML 1.1 (PyYAML), `_BASE_` (fvcore), texts that are tuples (yacs). */
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { ConfigValue } from '../contracts/plan.ts';
import { ConfigError } from './problems.ts';
import { parsePythonLiteral } from './python-literal.ts';
import { isSettings, mergeSettings, type Settings } from './settings.ts';

/**
 * The settings of a GLEE config with those of its bases, decoded.
 * @param file Relative to the checkout; problems name it so.
 * @throws ConfigError when it, or one of its bases, is missing or can't be read.
 */
export async function readGleeConfig(checkout: string, file: string): Promise<Settings> {
  return decodeSettings(await readWithBase(checkout, resolve(checkout, file), []));
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
  return literal === undefined ? value : literal;
}

async function readWithBase(checkout: string, path: string, above: readonly string[]): Promise<Settings> {
  const shown = (file: string) => shownInCheckout(checkout, file);
  const from = above.at(-1);
  const fail = (file: string, key: string, message: string) =>
    new ConfigError([{ level: 'error', file: shown(file), key, message }]);
  if (above.includes(path)) throw fail(path, '_BASE_', `leads back to itself through ${shown(from ?? path)}`);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const cause = error instanceof Error ? error.message : String(error);
    throw from === undefined
      ? fail(path, '', `cannot be read: ${cause}`)
      : fail(from, '_BASE_', `names a file that cannot be read: ${cause}`);
  });
  const { _BASE_: base, ...own } = parseSettings(text, (message) => fail(path, '', message));
  if (base === undefined) return own;
  // fvcore would fetch a URL; a training must not depend on one.
  if (typeof base !== 'string' || /^(https?:\/\/|~)/.test(base)) {
    throw fail(path, '_BASE_', 'must be the path of a file, relative to this one or absolute');
  }
  return mergeSettings(await readWithBase(checkout, resolve(dirname(path), base), [...above, path]), own);
}

const settingsSchema = z.record(z.string(), z.json());

function parseSettings(text: string, fail: (message: string) => Error): Settings {
  try {
    // PyYAML lets the last of two equal keys win.
    const value: unknown = parse(text, { version: '1.1', uniqueKeys: false, prettyErrors: false });
    return settingsSchema.parse(value ?? {});
  } catch (error) {
    if (error instanceof z.ZodError) {
      const keys = error.issues.map(({ path }) => path.join('.')).join(', ');
      throw fail(`holds values that no GLEE config can hold: ${keys === '' ? 'it is no map' : keys}`);
    }
    throw fail(`is no valid YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function shownInCheckout(checkout: string, path: string): string {
  const inside = relative(checkout, path);
  return inside.startsWith('..') || isAbsolute(inside) ? path : inside;
}
