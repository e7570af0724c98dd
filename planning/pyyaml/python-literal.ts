/**
 * @module Python's literals as `ast.literal_eval` reads them: yacs sends every text of a config through it.
 *
 * So `("a")` is a text, `("a",)` a tuple, `("a" "b",)` one name where two were meant, and `1e5` a float where an int was.
 */
import type { ConfigValue } from '../../contracts/plan.ts';
import { NotALiteral, tokenize, type Token } from './python-tokens.ts';
import { PythonOther, type PythonValue } from './python-value.ts';
import { isList } from '../reading/nested-settings.ts';

/** Python's own limit for open brackets. */
const DEEPEST = 200;

/** Lists of all of GLEE's data sets have some thousand. */
const MOST_CHARACTERS = 64 << 10;

/**
 * The value of a Python literal, or undefined where the text is none, or is longer than any config's. Tuples become lists.
 */
export function parsePythonLiteral(text: string): PythonValue | undefined {
  if (text.length > MOST_CHARACTERS || text.includes('\0')) return undefined;
  try {
    return new LiteralReader(tokenize(text)).whole();
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

class LiteralReader {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** A value, or a bare tuple: `1, 2`. */
  whole(): PythonValue {
    const { items, commas } = this.#items(undefined);
    const [first] = items;
    if (first === undefined) throw new NotALiteral();
    return commas === 0 ? first : items;
  }

  /** A number may be the sum of a real and an imaginary one. */
  #value(): PythonValue {
    const first = this.#signed();
    const sign = this.#take('+') || this.#take('-');
    if (!sign) return first;
    const second = this.#atom();
    const isComplex = second instanceof PythonOther && second.type === 'complex';
    if (!isComplex || !isReal(first)) throw new NotALiteral();
    return second;
  }

  #signed(): PythonValue {
    const negative = this.#take('-');
    if (!negative && !this.#take('+')) return this.#atom();
    const value = this.#atom();
    if (value instanceof PythonOther && value.type === 'complex') return value;
    if (!isReal(value)) throw new NotALiteral();
    return negative ? -value : value;
  }

  #atom(): PythonValue {
    const token = this.#tokens[this.#next++];
    switch (token?.kind) {
      case 'number':
      case 'value':
        return token.value;
      case 'text':
      case 'bytes':
        return this.#joined(token);
      case 'mark':
        return this.#bracketed(token.mark);
      case undefined:
        throw new NotALiteral();
    }
  }

  #bracketed(mark: string): PythonValue {
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw new NotALiteral();
    const value = this.#within(mark);
    this.#depth -= 1;
    return value;
  }

  #within(mark: string): PythonValue {
    if (mark === '[') return this.#items(']').items;
    if (mark === '{') return this.#dictOrSet();
    if (mark !== '(') throw new NotALiteral();
    const { items, commas } = this.#items(')');
    return items.length === 1 && commas === 0 ? (items[0] ?? null) : items;
  }

  /** Python joins texts that stand side by side. */
  #joined({ kind, text }: { readonly kind: 'text' | 'bytes'; readonly text: string }): PythonValue {
    let whole = text;
    for (;;) {
      const token = this.#tokens[this.#next];
      if (token?.kind !== 'text' && token?.kind !== 'bytes') break;
      if (token.kind !== kind) throw new NotALiteral();
      whole += token.text;
      this.#next += 1;
    }
    return kind === 'bytes' ? new PythonOther('bytes') : whole;
  }

  /** @param end Of the brackets; undefined: the end of the text. */
  #items(end: string | undefined): { items: PythonValue[]; commas: number } {
    const items: PythonValue[] = [];
    let commas = 0;
    while (!this.#ends(end)) {
      if (items.length > commas) {
        if (!this.#take(',')) throw new NotALiteral();
        commas++;
      } else items.push(this.#value());
    }
    return { items, commas };
  }

  #dictOrSet(): PythonOther {
    if (this.#take('}')) return new PythonOther('dict');
    this.#value();
    const isDict = this.#take(':');
    if (isDict) this.#value();
    while (!this.#take('}')) {
      if (!this.#take(',')) throw new NotALiteral();
      if (this.#take('}')) break;
      this.#value();
      if (isDict && !this.#take(':')) throw new NotALiteral();
      if (isDict) this.#value();
    }
    return new PythonOther(isDict ? 'dict' : 'set');
  }

  #ends(end: string | undefined): boolean {
    return end === undefined ? this.#next >= this.#tokens.length : this.#take(end);
  }

  #take(mark: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'mark' || token.mark !== mark) return false;
    this.#next++;
    return true;
  }
}

function isReal(value: PythonValue): value is bigint | number {
  return typeof value === 'bigint' || typeof value === 'number';
}
