/** @module The tokens of Python's literals: numbers, texts, marks and the few names that are values. */
import { PythonOther, type PythonValue } from './python-value.ts';

export type Token =
  | { readonly kind: 'mark'; readonly mark: string }
  | { readonly kind: 'number'; readonly value: bigint | number | PythonOther }
  | { readonly kind: 'text' | 'bytes'; readonly text: string }
  | { readonly kind: 'value'; readonly value: PythonValue };

const BLANK = /(?:[ \t\f]|\\\n)+|#[^\n]*/y;
const DIGITS = String.raw`\d(?:_?\d)*`;
const BASED = /0[xX](?:_?[\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+/y;
const FRACTION = String.raw`(?:${DIGITS}\.(?:${DIGITS})?|\.${DIGITS})(?:[eE][+-]?${DIGITS})?|${DIGITS}[eE][+-]?${DIGITS}`;
const FLOAT = new RegExp(FRACTION, 'y');
const WHOLE = new RegExp(DIGITS, 'y');
const IMAGINARY = /[jJ]/y;
const QUOTE = /([rRuUbB]|[bB][rR]|[rR][bB])?("""|'''|"|')/y;
const NAME = /[A-Za-z_]\w*/y;
const MARK = /\.\.\.|[()[\]{},:+-]/y;
const NAMES: ReadonlyMap<string, PythonValue> = new Map<string, PythonValue>([
  ['True', true],
  ['False', false],
  ['None', null],
]);

/** Python reads no longer ints from texts. */
const MOST_DIGITS = 4300;

/** The text is no literal of Python's: it is a text. */
export class NotALiteral extends Error {}

/** @throws NotALiteral */
export function tokenize(text: string): readonly Token[] {
  return new Scanner(text).tokens();
}

class Scanner {
  readonly #source: string;
  #at = 0;

  constructor(text: string) {
    this.#source = text.replaceAll(/\r\n?/g, '\n').replace(/^[ \t]+/, '');
  }

  tokens(): readonly Token[] {
    const tokens: Token[] = [];
    let open = 0;
    let ended = false;
    while (this.#at < this.#source.length) {
      if (this.#take(BLANK) !== undefined) continue;
      if (this.#source[this.#at] === '\n') {
        // Within brackets a line break is a blank; elsewhere it ends the value.
        ended ||= open === 0 && tokens.length > 0;
        this.#at += 1;
        continue;
      }
      const token = this.#token();
      if (ended) throw new NotALiteral();
      if (token.kind === 'mark') open += '([{'.includes(token.mark) ? 1 : ')]}'.includes(token.mark) ? -1 : 0;
      tokens.push(token);
    }
    return tokens;
  }

  #token(): Token {
    const token = this.#number() ?? this.#text();
    if (token !== undefined) return token;
    const name = this.#take(NAME)?.[0];
    if (name !== undefined) {
      const value = NAMES.get(name);
      if (value === undefined) throw new NotALiteral();
      return { kind: 'value', value };
    }
    const mark = this.#take(MARK)?.[0];
    if (mark === undefined) throw new NotALiteral();
    return mark === '...' ? { kind: 'value', value: new PythonOther('ellipsis') } : { kind: 'mark', mark };
  }

  #number(): Token | undefined {
    const based = this.#take(BASED)?.[0];
    const float = based === undefined ? this.#take(FLOAT)?.[0] : undefined;
    const whole = based === undefined && float === undefined ? this.#take(WHOLE)?.[0] : undefined;
    const text = (based ?? float ?? whole)?.replaceAll('_', '');
    if (text === undefined) return undefined;
    const imaginary = based === undefined && this.#take(IMAGINARY) !== undefined;
    if (/[\w.]/.test(this.#source[this.#at] ?? '')) throw new NotALiteral();
    if (imaginary) return { kind: 'number', value: new PythonOther('complex') };
    if (float !== undefined) return { kind: 'number', value: Number(text) };
    // Python refuses 010 and has no digits for so long an int.
    if (text.length > MOST_DIGITS || /^0+[1-9]/.test(text)) throw new NotALiteral();
    return { kind: 'number', value: BigInt(text) };
  }

  #text(): Token | undefined {
    const [whole, prefix = '', quote = ''] = this.#take(QUOTE) ?? [];
    if (whole === undefined) return undefined;
    const start = this.#at;
    const end = this.#endOf(quote);
    const body = this.#source.slice(start, end);
    this.#at = end + quote.length;
    const bytes = /b/i.test(prefix);
    if (bytes && /[^\0-\x7f]/.test(body)) throw new NotALiteral();
    return { kind: bytes ? 'bytes' : 'text', text: /r/i.test(prefix) ? body : unescaped(body, bytes) };
  }

  /** Where the quote closes. */
  #endOf(quote: string): number {
    for (let at = this.#at; at < this.#source.length; at += 1) {
      if (this.#source[at] === '\\') at += 1;
      else if (this.#source.startsWith(quote, at)) return at;
      else if (quote.length === 1 && this.#source[at] === '\n') break;
    }
    throw new NotALiteral();
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source) ?? undefined;
    this.#at += match?.[0].length ?? 0;
    return match;
  }
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\n', ''],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
  ['a', '\u0007'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);

/** A text's escapes as Python reads them; an unknown one stands for itself. */
function unescaped(body: string, bytes: boolean): string {
  return body.replaceAll(
    /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([^]))/g,
    (whole: string, octal?: string, x?: string, u?: string, big?: string, other?: string) => {
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      if (bytes && (u ?? big) !== undefined) return whole;
      const code = x ?? u ?? big;
      if (code !== undefined) return codePoint(code);
      if (other === undefined) return whole;
      // `\x` and `\u` without their digits are errors; names of characters are not known here.
      if (other === 'x' || (!bytes && /[uUN]/.test(other))) throw new NotALiteral();
      return ESCAPES.get(other) ?? whole;
    },
  );
}

function codePoint(hex: string): string {
  const code = Number.parseInt(hex, 16);
  if (code > 0x10ffff) throw new NotALiteral();
  return String.fromCodePoint(code);
}
