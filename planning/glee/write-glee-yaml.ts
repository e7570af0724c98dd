/**
 * @module Writes the YAML that the trainer is started with: the user's GLEE config as `_BASE_`, and what differs.
 *
 * A file, because GLEE's launch.py joins its arguments into a shell string that values like `('a', 'b')` break.
 */
import type { ConfigValue, Overrides } from '../../contracts/plan.ts';
import { gleeKeyType } from './glee-keys.ts';
import { isWholeNumber } from './key-types.ts';
import { pythonLiteral } from '../pyyaml/python-literal.ts';
import { isSettings, mergeSettings, type Settings } from '../reading/nested-settings.ts';

export interface GleeYamlInput {
  /** Absolute path of the GLEE config that the stage trains with. */
  readonly base: string;
  /** Absolute path of the stage's initial weights on this host. */
  readonly weights: string;
  /** Absolute path of the folder that the trainer writes to. */
  readonly outputDir: string;
  readonly overrides: Overrides;
}

/** The YAML as text: nested maps, one value a line, lists as GLEE writes its tuples. */
export function writeGleeYaml({ base, weights, outputDir, overrides }: GleeYamlInput): string {
  const settings = mergeSettings(overrides, { MODEL: { WEIGHTS: weights }, OUTPUT_DIR: outputDir });
  const lines = [
    '# Written by glee-pipeline for this attempt; the next one writes it again.',
    `_BASE_: ${quoted(base)}`,
    ...mapLines(settings, [], ''),
  ];
  return `${lines.join('\n')}\n`;
}

function mapLines(settings: Settings, path: readonly string[], indent: string): string[] {
  return Object.entries(settings).flatMap(([key, value]) => {
    const keyPath = [...path, key];
    if (!isSettings(value)) return [`${indent}${keyText(key)}: ${scalar(value, keyPath.join('.'))}`];
    const inner = mapLines(value, keyPath, `${indent}  `);
    // An empty map changes nothing, and `KEY:` alone would be null.
    return inner.length === 0 ? [] : [`${indent}${keyText(key)}:`, ...inner];
  });
}

/** YAML 1.1 reads a bare `on`, `no` or `y` as a boolean, as a key too. */
function keyText(key: string): string {
  const plain = /^[A-Za-z_]\w*$/.test(key) && !/^(y|yes|n|no|on|off|true|false|null)$/i.test(key);
  return plain ? key : quoted(key);
}

function scalar(value: Exclude<ConfigValue, Settings>, key: string): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return number(value, gleeKeyType(key) === 'float');
  if (typeof value === 'string') return quoted(value);
  return tuple(value);
}

/** JSON has no `1.0`, but yacs refuses an int where GLEE's default is a float; YAML 1.1 reads `1e-7` as a text. */
function number(value: number, float: boolean): string {
  const text = String(value);
  if (isWholeNumber(value)) return float ? `${text}.0` : text;
  return text.replace(/^(-?\d+)e/, '$1.0e');
}

function tuple(items: readonly ConfigValue[]): string {
  const text = ascii(pythonLiteral(items));
  // Bare as in GLEE's own files, unless a data set's name holds what YAML takes for a comment or a map.
  return /: | #|:$/.test(text) ? `'${text.replaceAll("'", "''")}'` : text;
}

function quoted(text: string): string {
  return ascii(JSON.stringify(text));
}

/** These escapes mean the same to YAML and Python, whatever encoding Python opens the file with. Python joins no surrogates. */
function ascii(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/gu, (char) => {
    const code = (char.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`;
  });
}
