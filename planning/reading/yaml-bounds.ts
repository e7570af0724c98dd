/**
 * @module YAML within bounds: size, depth and what aliases repeat are limited before anything is made of a file.
 *
 * The yaml package recurses, so that some 20,000 brackets end the whole process: depth is counted by its lexer, which does not.
 */
import {
  CST,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  parseDocument,
  type Document,
  type DocumentOptions,
  type ParseOptions,
  type SchemaOptions,
} from 'yaml';

/** Of any YAML file that is read: GLEE's own have up to 10 KiB, an artifacts.yaml of hundreds of entries 100 KiB. */
export const LARGEST_YAML_CHARS = 256 * 1024;
const DEEPEST = 64;
const WIDEST_INDENT = 200;
/** Values, where each alias counts with all that it stands for. */
const MOST_VALUES = 20_000;
/** A file that is no YAML at all may have an error for each character. */
const MOST_ERRORS = 10;

/** Where in the text something is wrong, and what. */
export interface YamlFault {
  readonly line: number;
  readonly message: string;
}

export interface BoundedYaml {
  /** Sound where there are no faults: it can be walked, and turned into values, without further limits. */
  readonly document: Document.Parsed | undefined;
  readonly faults: readonly YamlFault[];
}

/** Parses one YAML document whose size, depth, aliases and keys are within bounds. */
export function parseBounded(
  text: string,
  options: ParseOptions & DocumentOptions & SchemaOptions = {},
): BoundedYaml {
  const excess = textFault(text);
  if (excess !== undefined) return { document: undefined, faults: [excess] };
  const document = parseDocument(text, { ...options, prettyErrors: false });
  const errors = document.errors.slice(0, MOST_ERRORS).map(({ pos: [offset], message }) => ({
    // An error behind an empty value is placed at the line break before it.
    line: lineAt(text, offset + Math.max(0, text.slice(offset).search(/\S/))),
    message: `is not valid YAML: ${message}`,
  }));
  if (errors.length > 0) return { document, faults: errors };
  try {
    new ValueCounter().count(document.contents, 0);
  } catch (error) {
    if (!(error instanceof Excess)) throw error;
    return { document, faults: [{ line: lineAt(text, error.offset), message: error.message }] };
  }
  return { document, faults: [] };
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

function textFault(text: string): YamlFault | undefined {
  if (text.length > LARGEST_YAML_CHARS) {
    const message = `has ${text.length} characters, more than the ${LARGEST_YAML_CHARS} that a YAML file may have`;
    return { line: 1, message };
  }
  const depth = { flow: 0, line: 0, offset: 0, atStart: true };
  for (const token of new Lexer().lex(text)) {
    if (isTooDeep(token, depth)) return { line: lineAt(text, depth.offset), message: TOO_DEEP };
    depth.offset += token.length;
  }
  return undefined;
}

const TOO_DEEP = `is nested deeper than ${DEEPEST} levels`;

interface Depth {
  /** Brackets that are open. */
  flow: number;
  /** Indicators in this line that each begin a level: `- - -`. */
  line: number;
  offset: number;
  atStart: boolean;
}

const BEGINNINGS: readonly unknown[] = ['seq-item-ind', 'explicit-key-ind', 'map-value-ind'];

function isTooDeep(token: string, depth: Depth): boolean {
  const { atStart } = depth;
  const type = CST.tokenType(token);
  depth.atStart = type === 'newline';
  if (type === 'newline') depth.line = 0;
  if (type === 'flow-seq-start' || type === 'flow-map-start') depth.flow += 1;
  if (type === 'flow-seq-end' || type === 'flow-map-end') depth.flow = Math.max(0, depth.flow - 1);
  if (depth.flow === 0 && BEGINNINGS.includes(type)) depth.line += 1;
  const wide = atStart && type === 'space' && token.length > WIDEST_INDENT;
  return wide || depth.flow > DEEPEST || depth.line > DEEPEST;
}

class Excess extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/** Keys that JavaScript's objects have by themselves: none is a setting. */
const RESERVED_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

interface Anchored {
  readonly values: number;
  readonly levels: number;
}

/** Counts values as they are when each alias is replaced by what it stands for. */
class ValueCounter {
  /** By anchor; undefined while it is inside itself. */
  readonly #anchored = new Map<string, Anchored | undefined>();
  #values = 0;

  /** Levels below the node, itself included. */
  count(node: unknown, above: number): number {
    if (isAlias(node)) return this.#repeat(node.source, above, node.range?.[0] ?? 0);
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return 1;
    const offset = node.range?.[0] ?? 0;
    const before = this.#values;
    this.#add(1, above, offset);
    const { anchor } = node;
    if (anchor !== undefined) this.#anchored.set(anchor, undefined);
    const levels = isScalar(node) ? 1 : 1 + this.#below(node, above + 1);
    if (anchor !== undefined) this.#anchored.set(anchor, { values: this.#values - before, levels });
    return levels;
  }

  #below(node: { readonly items: readonly unknown[] }, above: number): number {
    if (!isMap(node)) return Math.max(0, ...node.items.map((item) => this.count(item, above)));
    const levels = node.items.map(({ key, value }) => {
      this.#checkKey(key);
      return Math.max(this.count(key, above), this.count(value, above));
    });
    return Math.max(0, ...levels);
  }

  #checkKey(key: unknown): void {
    const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0;
    if (isNode(key) && !isScalar(key)) throw new Excess(offset, 'has a key that is not text: write it out');
    if (isScalar(key) && RESERVED_KEYS.has(String(key.value)))
      throw new Excess(offset, `'${String(key.value)}' can't be a key: take another name`);
  }

  #repeat(anchor: string, above: number, offset: number): number {
    const anchored = this.#anchored.get(anchor);
    if (anchored === undefined) {
      const why = this.#anchored.has(anchor) ? 'stands within itself' : 'names no anchor above it';
      throw new Excess(offset, `alias *${anchor} ${why}`);
    }
    this.#add(anchored.values, above + anchored.levels - 1, offset);
    return anchored.levels;
  }

  #add(values: number, level: number, offset: number): void {
    this.#values += values;
    if (level >= DEEPEST) throw new Excess(offset, TOO_DEEP);
    if (this.#values > MOST_VALUES)
      throw new Excess(offset, `has more than ${MOST_VALUES} values, those that aliases repeat included`);
  }
}
