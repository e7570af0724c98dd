/** @module Text in bytes of UTF-8 as JSON has it. Pure. */

/** Control characters, those of terminals and those that turn the direction of writing among them. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu;

/** Bytes of the value as JSON. */
export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

/** Bytes of the text between JSON's quotes. */
export function textBytes(text: string): number {
  return jsonBytes(text) - 2;
}

/** On one line and without control characters; longer text is cut, and ends with '…'. */
export function clipText(text: string, mostBytes: number): string {
  // What is far too long is not looked at whole.
  const line = text
    .slice(0, 4 * Math.min(mostBytes, 1_000_000))
    .replace(CONTROLS, ' ')
    .trim();
  if (textBytes(line) <= mostBytes) return line;
  const [characters, ellipsis] = [Array.from(line), '…'];
  let [low, high] = [0, characters.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (textBytes(characters.slice(0, middle).join('') + ellipsis) <= mostBytes) low = middle;
    else high = middle - 1;
  }
  return characters.slice(0, low).join('') + ellipsis;
}
