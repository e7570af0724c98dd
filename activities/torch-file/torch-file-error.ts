/**
 * @module What is wrong with a torch file: its content, never the machine. Trying again does not help.
 */

/** Names in a file are anyone's words: longer ones are cut in messages. */
const LONGEST_NAME = 120;
const LONGEST_MESSAGE = 2000;

/** Its message has bounded length, and no character that a terminal would obey. */
export class TorchFileError extends Error {
  override readonly name = 'TorchFileError';

  constructor(message: string, options?: ErrorOptions) {
    super(printable(message, LONGEST_MESSAGE), options);
  }
}

/** A name from a file, as a message may hold it. */
export function shortName(name: string): string {
  return printable(name, LONGEST_NAME);
}

function printable(text: string, longest: number): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}… (${text.length} characters)` : text;
  return cut.replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}
