/**
 * @module What may reach a terminal. Ids, configs, reasons, messages and lines of logs come from anywhere: raw, they
 * could move the cursor, retitle the window, hide text or write into the clipboard.
 */

/** Control characters but for line ends and tabs, and what turns the direction of writing or is invisible. Joiners belong to scripts and emojis. */
const UNPRINTABLE = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** The colours that the command line itself uses, and nothing else: no hidden or blinking text. */
const OWN_COLOUR = new RegExp(`^${String.fromCharCode(27)}\\[(?:0|[12]|22|3[0-79]|9[0-7])m`);
const ESCAPE = String.fromCharCode(27);

/** The text with what a terminal would obey shown as `\x1b` or `\u202e`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** The same, for text in which the command line has coloured parts. */
export function printableScreen(text: string): string {
  return text.replace(UNPRINTABLE, (character, at: number) => {
    if (character === ESCAPE && OWN_COLOUR.test(text.slice(at, at + 8))) return character;
    return escaped(character);
  });
}

/** JSON has control characters up to U+001F escaped; these are the others. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (character) =>
    Array.from({ length: character.length }, (_, index) => unicode(character.charCodeAt(index))).join(''),
  );
}

/** A copy of plain data in which every text, keys among them, is printable. */
export function printableData<T>(value: T): T;
export function printableData(value: unknown): unknown {
  if (typeof value === 'string') return printable(value);
  if (Array.isArray(value)) return value.map((one: unknown) => printableData(one));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [printable(key), printableData(one)]));
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

function unicode(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`;
}
