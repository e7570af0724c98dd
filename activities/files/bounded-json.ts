/**
 * @module JSON that someone else may have written: parsed only after a look over its text has found that neither depth
 * nor number of values could exhaust the stack or the memory of whoever checks it against a schema.
 */
import { z } from 'zod';

/** A plan's overrides nest some ten deep. */
const DEEPEST = 100;
/** The results of five thousand trials have some hundred thousand. */
const MOST_VALUES = 1_000_000;
const MOST_ISSUES = 5;
const LONGEST_ISSUES = 2000;

/** An object or file of ours that is not what this version writes. */
export class UnreadableObject extends Error {
  override readonly name = 'UnreadableObject';
}

/**
 * @param source Named in the error: what was read.
 * @throws UnreadableObject
 */
export function parseBoundedJson<T>(text: string, schema: z.ZodType<T>, source: string): T {
  const problem = boundsProblem(text);
  if (problem !== undefined)
    throw new UnreadableObject(`${source} is not what this version writes: ${problem}`);
  const parsed = schema.safeParse(parseJson(text, source));
  if (parsed.success) return parsed.data;
  const issues = z.prettifyError(new z.ZodError(parsed.error.issues.slice(0, MOST_ISSUES)));
  throw new UnreadableObject(`${source} is not what this version writes: ${issues.slice(0, LONGEST_ISSUES)}`);
}

/** What is too much of it, or undefined. Reads each character once. */
function boundsProblem(text: string): string | undefined {
  let [depth, values] = [0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') {
      at = endOfString(text, at);
      continue;
    }
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    else if (character !== ',') continue;
    values += 1;
    if (depth > DEEPEST) return `it nests more than ${DEEPEST} deep`;
    if (values > MOST_VALUES) return `it has more than ${MOST_VALUES} values`;
  }
  return undefined;
}

/** Where the string ends that begins here; the text's end where it does not. */
function endOfString(text: string, begin: number): number {
  for (let at = begin + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at;
  }
  return text.length;
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UnreadableObject(`${source} is not JSON`, { cause });
  }
}
