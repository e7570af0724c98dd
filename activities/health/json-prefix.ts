/** @module Whether a text is the beginning of JSON, as Python reads it. It may break off anywhere. */

const TOKEN =
  /\s*(?:([[\]{},:])|("(?:[^"\\]|\\.)*")|(-?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d*)?|Infinity)|true|false|null|NaN))/y;
/** A token that the text's end may have cut off. */
const CUT = /\s*(?:"(?:[^"\\]|\\.)*\\?|-?[\d.eE+-]*|[a-zA-Z]*)$/y;

/**
 * What is wrong, in words; undefined where it may go on to be JSON.
 * @param whole It may not go on: what is open at its end is wrong too.
 */
export function prefixProblem(text: string, whole = false): string | undefined {
  if (!/^\uFEFF?\s*[[{]/.test(text)) return `it does not begin as JSON: ${JSON.stringify(text.slice(0, 20))}`;
  const scanner = new RegExp(TOKEN);
  const open: ('[' | '{')[] = [];
  let wants: Wanted = 'value';
  scanner.lastIndex = text.startsWith('\uFEFF') ? 1 : 0;
  for (;;) {
    const at = scanner.lastIndex;
    const match = scanner.exec(text);
    if (match === null && !isCut(text, at)) return problemAt(text, at);
    if (match === null) return whole && wants !== 'nothing' ? 'it is cut off' : undefined;
    const next = step(open, wants, match[1] ?? (match[2] === undefined ? 'value' : 'text'));
    if (next === undefined) return problemAt(text, at);
    wants = next;
  }
}

type Wanted = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing';

/** What may follow the token; undefined where it may not stand here. */
function step(open: ('[' | '{')[], wants: Wanted, token: string): Wanted | undefined {
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
    default:
      return isValue ? 'comma or end' : undefined;
  }
}

function isCut(text: string, at: number): boolean {
  const rest = new RegExp(CUT);
  rest.lastIndex = at;
  return rest.test(text);
}

function problemAt(text: string, at: number): string {
  return `it is no JSON from byte ${String(at)} on: ${JSON.stringify(text.slice(at, at + 30))}`;
}
