import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownText } from '../../contracts/markdown.ts';

test('a text of others has no meaning to Markdown or HTML', () => {
  assert.equal(
    markdownText('a_b `c` *d* [e](https://x.example) ![f] <script> | ~g~ \\h & i'),
    'a\\_b \\`c\\` \\*d\\* \\[e\\](https://x.example) \\!\\[f\\] \\<script\\> \\| \\~g\\~ \\\\h \\& i',
  );
  const all = '\\`*_[]<>|~!&';
  assert.equal(markdownText(all), [...all].map((character) => `\\${character}`).join(''));
});

test('a text of others is on one line, and no longer than a page of it', () => {
  assert.doesNotMatch(markdownText('one\n# two\r\n- three\u2028four'), /[\n\r\u2028]/);
  assert.ok(markdownText('x'.repeat(1_000_000)).length < 2100);
});
