/** @module Text of people and of configs in Markdown, as Temporal's web page and reports show it. Pure. */
import { clipText } from './text-bytes.ts';

const LONGEST_BYTES = 2000;

/** On one line, and without any meaning to Markdown or HTML. */
export function markdownText(text: string): string {
  return clipText(text, LONGEST_BYTES).replace(/[\\`*_[\]<>|~!&]/g, '\\$&');
}
