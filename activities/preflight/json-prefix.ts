/**
 * @module Whether a text is the beginning of JSON, as Python reads it. It may break off anywhere. One pass over the text,
 * whatever it holds.
 */

/** Python's parser gives up at a depth of about 1,000; annotations have less than ten. */
const MAX_DEPTH = 900;

/**
 * What is wrong, in words; undefined where it may continue to be JSON.
 * @param whole It may not continue: what is open at its end is wrong too.
 */
export function prefixProblem(text: string, whole = false): string | undefined {
  if (text.startsWith('\uFEFF')) return "it begins with a byte order mark, which Python's json refuses";
  const start = skipBlanks(text, 0);
  if (text[start] !== '[' && text[start] !== '{')
    return `it does not begin as JSON: ${JSON.stringify(text.slice(0, 20))}`;
  const open: ('[' | '{')[] = [];
  let wants: Wanted = 'value';
  for (let at = start; at < text.length; at = skipBlanks(text, at)) {
    const token = tokenAt(text, at);
    if (token === undefined) return problemAt(text, at);
    const { kind, end, isCut } = token;
    const next = step(open, wants, kind);
    if (next === undefined) return problemAt(text, at);
    if (isCut) return whole ? 'it is cut off' : undefined;
    if (open.length > MAX_DEPTH) return `it is nested more than ${MAX_DEPTH} levels deep at byte ${at}`;
    [wants, at] = [next, end];
  }
  return whole && wants !== 'nothing' ? 'it is cut off' : undefined;
}

type Wanted = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing';
type Kind = '[' | ']' | '{' | '}' | ',' | ':' | 'text' | 'value';

/** What may follow the token; undefined where it may not stand here. */
function step(open: ('[' | '{')[], wants: Wanted, token: Kind): Wanted | undefined {
  const isValue = wants === 'value' || wants === 'value or end';
  const isEnd = wants === 'comma or end' || wants.endsWith('or end');
  switch (token) {
    case '[':
    case '{':
      if (!isValue) return undefined;
      open.push(token);
      return token === '[' ? 'value or end' : 'key or end';
    case ']':
    case '}':
      if (!isEnd || open.pop() !== (token === ']' ? '[' : '{')) return undefined;
      return open.length === 0 ? 'nothing' : 'comma or end';
    case ',':
      if (wants !== 'comma or end') return undefined;
      return open.at(-1) === '[' ? 'value' : 'key';
    case ':':
      return wants === 'colon' ? 'value' : undefined;
    case 'text':
      if (wants === 'key' || wants === 'key or end') return 'colon';
      return isValue ? 'comma or end' : undefined;
    case 'value':
      return isValue ? 'comma or end' : undefined;
  }
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text.charAt(at))) at++;
  return at;
}

interface Token {
  readonly kind: Kind;
  readonly end: number;
  /** The text's end may have cut it off. */
  readonly isCut: boolean;
}

const MARKS: ReadonlyMap<string, Kind> = new Map(
  (['[', ']', '{', '}', ',', ':'] as const).map((mark) => [mark, mark]),
);
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const NUMBER_PREFIX = /^-?(?:(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d*)?)?$/;
const WORDS = ['true', 'false', 'null', 'NaN', 'Infinity', '-Infinity'] as const;
/** A number or word; annotations have none that is longer. */
const MAX_WORD_CHARACTERS = 1000;

/** Undefined where no token begins. */
function tokenAt(text: string, at: number): Token | undefined {
  const mark = MARKS.get(text.charAt(at));
  if (mark !== undefined) return { kind: mark, end: at + 1, isCut: false };
  if (text[at] === '"') return textAt(text, at);
  let end = at;
  while (end < text.length && end - at < MAX_WORD_CHARACTERS && /[\w.+-]/.test(text.charAt(end))) end++;
  const word = text.slice(at, end);
  if (end === text.length && (NUMBER_PREFIX.test(word) || WORDS.some((one) => one.startsWith(word))))
    return { kind: 'value', end, isCut: true };
  return NUMBER.test(word) || WORDS.some((one) => one === word)
    ? { kind: 'value', end, isCut: false }
    : undefined;
}

/** Python refuses control characters within a text, and escapes that JSON has no meaning for. */
function textAt(text: string, from: number): Token | undefined {
  for (let at = from + 1; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '"') return { kind: 'text', end: at + 1, isCut: false };
    if (character < ' ') return undefined;
    if (character !== '\\') continue;
    at++;
    const escape = text.charAt(at);
    if (escape === 'u' && !/^[0-9a-fA-F]{0,4}$/.test(text.slice(at + 1, at + 5))) return undefined;
    if (escape !== '' && !'"\\/bfnrtu'.includes(escape)) return undefined;
  }
  return { kind: 'text', end: text.length, isCut: true };
}

function problemAt(text: string, at: number): string {
  return `it is no JSON from byte ${at} on: ${JSON.stringify(text.slice(at, at + 30))}`;
}
