/**
 * @module Python's literals, as far as GLEE's configs use them: numbers, texts, tuples, lists, True, False, None.
 *
 * yacs sends every text of a config through `ast.literal_eval` (yacs/config.py), so `("a")` is a text,
 * `("a",)` a tuple, and `("a" "b",)` one name where two were meant.
 */
import type { ConfigValue } from '../contracts/plan.ts';
import { isList } from './settings.ts';

/** Lists of all of GLEE's data sets have some thousand. */
const MAX_CHARACTERS = 64 << 10;
/** As deep as Python's own parser goes. */
const MAX_DEPTH = 90;

/**
 * The value of a Python literal, or undefined where the text is none, or is longer or deeper than any config's. Tuples
 * become lists.
 */
export function parsePythonLiteral(text: string): ConfigValue | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const tokens = tokenize(text.trim());
  if (tokens === undefined) return undefined;
  try {
    const reader = new LiteralReader(tokens);
    return reader.whole();
  } catch (error) {
    if (error instanceof NotALiteral) return undefined;
    throw error;
  }
}

/** A value as a Python literal. Lists become tuples, as GLEE writes them. */
export function pythonLiteral(value: ConfigValue): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return String(value);
  // JSON's escapes are all Python's too.
  if (typeof value === 'string') return JSON.stringify(value);
  if (isList(value)) {
    const items = value.map(pythonLiteral);
    return items.length === 1 ? `(${items.join('')},)` : `(${items.join(', ')})`;
  }
  const entries = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}: ${pythonLiteral(item)}`,
  );
  return `{${entries.join(', ')}}`;
}

class NotALiteral extends Error {}

const TOKEN =
  /\s*(?:([()[\],])|([+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(True|False|None)\b)/y;

type Token =
  { readonly kind: 'mark'; readonly mark: string } | { readonly kind: 'value'; readonly value: ConfigValue };

function tokenize(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  const scanner = new RegExp(TOKEN);
  while (scanner.lastIndex < text.length) {
    const match = scanner.exec(text);
    if (match === null) return undefined;
    const [, mark, number, quoted, word] = match;
    if (mark !== undefined) tokens.push({ kind: 'mark', mark });
    else if (number !== undefined) {
      // Python refuses 010, so yacs leaves it a text.
      if (/^[+-]?0\d+$/.test(number)) return undefined;
      const value = Number(number.replaceAll('_', ''));
      // Python's would be larger than any that JSON can carry.
      if (!Number.isFinite(value)) return undefined;
      tokens.push({ kind: 'value', value });
    } else if (quoted !== undefined) tokens.push({ kind: 'value', value: unquote(quoted) });
    else tokens.push({ kind: 'value', value: word === 'None' ? null : word === 'True' });
  }
  return tokens;
}

class LiteralReader {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** A value, or a bare tuple: `1, 2`. */
  whole(): ConfigValue {
    const first = this.#value();
    if (this.#done()) return first;
    const items = [first];
    while (!this.#done()) {
      this.#expect(',');
      if (!this.#done()) items.push(this.#value());
    }
    return items;
  }

  #value(): ConfigValue {
    const token = this.#tokens[this.#next++];
    if (token === undefined) throw new NotALiteral();
    if (token.kind === 'value')
      return typeof token.value === 'string' ? this.#joined(token.value) : token.value;
    if (++this.#depth > MAX_DEPTH) throw new NotALiteral();
    const value = this.#sequence(token.mark);
    this.#depth--;
    return value;
  }

  #sequence(mark: string): ConfigValue {
    if (mark === '(') {
      const { items, commas } = this.#items(')');
      return items.length === 1 && commas === 0 ? (items[0] ?? null) : items;
    }
    if (mark === '[') return this.#items(']').items;
    throw new NotALiteral();
  }

  /** Python joins texts that stand side by side. */
  #joined(first: string): string {
    const texts = [first];
    for (;;) {
      const token = this.#tokens[this.#next];
      if (token?.kind !== 'value' || typeof token.value !== 'string') return texts.join('');
      texts.push(token.value);
      this.#next++;
    }
  }

  #items(end: string): { items: ConfigValue[]; commas: number } {
    const items: ConfigValue[] = [];
    let commas = 0;
    while (!this.#take(end)) {
      if (items.length > commas) {
        this.#expect(',');
        commas++;
      } else items.push(this.#value());
    }
    return { items, commas };
  }

  #take(mark: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'mark' || token.mark !== mark) return false;
    this.#next++;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#take(mark)) throw new NotALiteral();
  }

  #done(): boolean {
    return this.#next >= this.#tokens.length;
  }
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['r', '\r'],
  ['b', '\b'],
  ['f', '\f'],
]);

function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replaceAll(
      /\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/gs,
      (whole, u: string, x: string, one: string) => {
        const code: string | undefined = u || x;
        if (code) return String.fromCharCode(Number.parseInt(code, 16));
        if (/["'\\]/.test(one)) return one;
        return ESCAPES.get(one) ?? whole;
      },
    );
}
