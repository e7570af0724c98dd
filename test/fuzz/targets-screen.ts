/** @module What people are shown: nothing of what anyone wrote may steer a terminal, or mean something in Markdown, HTML or CSV. */
import assert from 'node:assert/strict';
import { printable, printableJson, printableScreen } from '../../cli/shared/printable.ts';
import { markup, scriptJson, text as htmlText } from '../../cli/sweeps/html.ts';
import { markdownText } from '../../contracts/markdown.ts';
import { clipText, textBytes } from '../../contracts/text-bytes.ts';
import { textTarget, type Target } from './target.ts';

const ESCAPE = String.fromCharCode(27);
const OPTIONS = {
  seeds: [
    `${ESCAPE}[31mred${ESCAPE}[0m \u202eabc \u2028 ${ESCAPE}]0;title\u0007 a\tb\nc`,
    '**bold** [link](javascript:x) `code` <b onclick="x">&amp;</b> | cell',
    '=cmd|x!A1, "quoted"\r\n-1.5',
  ],
  hostile: [
    ESCAPE.repeat(60_000),
    `${ESCAPE}[`.repeat(30_000),
    '\ud800'.repeat(20_000),
    '\u200d'.repeat(20_000),
    '\\'.repeat(60_000),
    '</script>'.repeat(7000),
    ' \u0000'.repeat(30_000),
  ],
};
/** What a terminal would obey, but for line ends and tabs. */
const OBEYED = /(?![\n\t])[\p{Cc}\u202a-\u202e\u2066-\u2069\u2028\u2029]/u;
const COLOURS = new RegExp(`${ESCAPE}\\[\\d{1,2}m`, 'g');

export const SCREEN_TARGETS: readonly Target[] = [
  textTarget(
    'terminal',
    (text) => {
      assert.doesNotMatch(printable(text), OBEYED);
      assert.equal(printable(printable(text)), printable(text));
      assert.doesNotMatch(printableScreen(text).replace(COLOURS, ''), OBEYED);
      const json = printableJson(JSON.stringify(text));
      assert.doesNotMatch(json, OBEYED);
      assert.equal(JSON.parse(json), text);
    },
    OPTIONS,
  ),
  textTarget(
    'markdown-text',
    (text) => {
      const shown = markdownText(text);
      assert.doesNotMatch(shown.replaceAll(/\\[\\`*_[\]<>|~!&]/g, ''), /[\\`*_[\]<>|~!&\n\p{Cc}]/u);
    },
    OPTIONS,
  ),
  textTarget(
    'clipped-text',
    (text) => {
      for (const most of [1, 40, 2000]) assert.ok(textBytes(clipText(text, most)) <= Math.max(3, most));
    },
    OPTIONS,
  ),
  textTarget(
    'html-text',
    (text) => {
      assert.match(markup`<p title="${htmlText(text)}">`.html, /^<p title="[^<>"']*">$/);
      const json = scriptJson({ text }).html;
      assert.doesNotMatch(json, /</);
      assert.deepEqual(JSON.parse(json), { text });
    },
    OPTIONS,
  ),
];
