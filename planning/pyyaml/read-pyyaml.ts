/**
 * @module YAML as PyYAML reads it (YAML 1.1): `y` is a text and `on` a boolean, `1e-4` a text and `1.0e-4` a float, `010` is 8.
 *
 * The yaml package finds the structure; what a text means is decided here. Tags that make Python objects are refused.
 */
import { CST, isAlias, isMap, isScalar, isSeq, Lexer, type Scalar, type YAMLMap, type YAMLSeq } from 'yaml';
import { plainScalar, PyYamlError, taggedScalar } from './pyyaml-scalars.ts';
import { isPythonList, isPythonSettings, PythonOther, pythonType, type PythonValue } from './python-value.ts';
import { parseBounded, type YamlFault } from '../reading/yaml-bounds.ts';

export type PyYaml =
  | { readonly value: PythonValue; readonly faults?: undefined }
  | { readonly value?: undefined; readonly faults: readonly YamlFault[] };

/** The value of a YAML text as `yaml.load` has it; the last of two equal keys wins. */
export function parsePyYaml(text: string): PyYaml {
  const unreadable = unreadableBy(text);
  if (unreadable !== undefined) return { faults: [unreadable] };
  // Every text is left as it stands: PyYAML knows other booleans and numbers than the package's YAML 1.1.
  const { document, faults } = parseBounded(text, { version: '1.1', schema: 'failsafe', uniqueKeys: false });
  if (document === undefined || faults.length > 0) return { faults };
  const line = { offset: 0 };
  try {
    return { value: new Constructor(line).value(document.contents) };
  } catch (error) {
    if (!(error instanceof PyYamlError)) throw error;
    const before = text.slice(0, line.offset).split('\n');
    return { faults: [{ line: before.length, message: error.message }] };
  }
}

// Control characters and halves of characters are refused by PyYAML; U+0085, U+2028 and U+2029 are line breaks to it alone.
const UNREADABLE =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029\ufffe\uffff]|\p{Surrogate}/u;

/** What the yaml package takes and PyYAML does not, or takes for something else. */
function unreadableBy(text: string): YamlFault | undefined {
  const place = (offset: number) => text.slice(0, offset).split('\n').length;
  const unprintable = UNREADABLE.exec(text);
  if (unprintable !== null)
    return {
      line: place(unprintable.index),
      message: "has a control character, which PyYAML can't read: remove it",
    };
  const found = firstUnreadable(text);
  return found && { line: place(found.offset), message: found.message };
}

/** Tabs outside of quotes, comments and blocks of text; `[:a]`. */
function firstUnreadable(text: string): { readonly offset: number; readonly message: string } | undefined {
  let [offset, flow] = [0, 0];
  // A mark of the lexer's own says that a text without quotes follows.
  let next: 'any' | 'plain' | 'block' = 'any';
  let inBlock = false;
  for (const token of new Lexer().lex(text)) {
    if (token === CST.SCALAR) {
      next = inBlock ? 'block' : 'plain';
      continue;
    }
    if (token === CST.DOCUMENT || token === CST.FLOW_END) continue;
    const type: string | null = next === 'any' ? CST.tokenType(token) : next;
    next = 'any';
    inBlock = type === 'block-scalar-header' || (inBlock && type !== 'block');
    flow += type === 'flow-seq-start' || type === 'flow-map-start' ? 1 : 0;
    flow -= type === 'flow-seq-end' || type === 'flow-map-end' ? 1 : 0;
    if ((type === 'space' || type === 'plain') && token.includes('\t'))
      return {
        offset: offset + token.indexOf('\t'),
        message: "has a tab, which PyYAML can't read there: write spaces",
      };
    if (type === 'plain' && flow > 0 && /^[:?]/.test(token))
      return {
        offset,
        message: `has '${token.slice(0, 40)}' within brackets, which PyYAML can't read: quote it`,
      };
    offset += token.length;
  }
  return undefined;
}

const PREFIX = 'tag:yaml.org,2002:';

class Constructor {
  readonly #at: { offset: number };
  readonly #anchored = new Map<string, PythonValue>();

  constructor(at: { offset: number }) {
    this.#at = at;
  }

  value(node: unknown): PythonValue {
    if (isAlias(node)) return this.#anchored.get(node.source) ?? null;
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return null;
    this.#at.offset = node.range?.[0] ?? this.#at.offset;
    const value = isScalar(node) ? this.#scalar(node) : isMap(node) ? this.#map(node) : this.#list(node);
    if (node.anchor !== undefined) {
      if (this.#anchored.has(node.anchor)) throw new PyYamlError(`anchor &${node.anchor} is there twice`);
      this.#anchored.set(node.anchor, value);
    }
    return value;
  }

  #list(node: YAMLSeq): PythonValue {
    if (!isTagged(node.tag, ['seq', 'python/tuple', 'python/list'])) throw otherTag(node.tag);
    return node.items.map((item) => this.value(item));
  }

  #scalar(node: Scalar): PythonValue {
    const text = node.source ?? '';
    if (node.tag !== undefined) return taggedScalar(node.tag, text);
    return node.type === 'PLAIN' || node.type === undefined ? plainScalar(text) : text;
  }

  #map(node: YAMLMap): PythonValue {
    if (node.tag === `${PREFIX}set`) return new PythonOther('set');
    if (!isTagged(node.tag, ['map', 'python/dict'])) throw otherTag(node.tag);
    const merged: (readonly [string, PythonValue])[] = [];
    const own: (readonly [string, PythonValue])[] = [];
    for (const { key, value } of node.items) {
      if (isScalar(key) && key.type === 'PLAIN' && key.source === '<<') merged.push(...this.#merged(value));
      else own.push([this.#key(key), this.value(value)]);
    }
    return Object.fromEntries([...merged, ...own]);
  }

  /** Of several, the first goes before the others; what a map has itself goes before all. */
  #merged(value: unknown): readonly (readonly [string, PythonValue])[] {
    const found = this.value(value);
    const sources = isPythonList(found) ? found.toReversed() : [found];
    return sources.flatMap((settings) => {
      if (isPythonSettings(settings)) return Object.entries(settings);
      throw new PyYamlError('<< must be a map, an alias of one, or a list of such');
    });
  }

  #key(key: unknown): string {
    const value = isScalar(key) ? this.#scalar(key) : null;
    if (typeof value === 'string') return value;
    const shown = isScalar(key) ? (key.source ?? '') : '';
    throw new PyYamlError(`key '${shown}' is not text to PyYAML, but a ${pythonType(value)}: quote it`);
  }
}

function isTagged(tag: string | undefined, allowed: readonly string[]): boolean {
  return tag === undefined || allowed.some((one) => tag === `${PREFIX}${one}`);
}

function otherTag(tag = ''): PyYamlError {
  return new PyYamlError(`tag ${tag} is none that a setting can have`);
}
