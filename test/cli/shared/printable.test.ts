import assert from 'node:assert/strict';
import { test } from 'node:test';
import pc from 'picocolors';
import { renderText } from '../../../cli/shared/output.ts';
import { printable, printableData, printableJson, printableScreen } from '../../../cli/shared/printable.ts';
import { renderPool } from '../../../cli/pool/render.ts';
import { renderReport, type ReportFormat } from '../../../cli/sweeps/report.ts';
import { reportOf, trialWith } from '../../fixtures/sweep-report.ts';

const colours = pc.createColors(true);
/** Title, clear, clipboard, 8-bit CSI, right-to-left override, hidden text, a lone surrogate, DEL. */
const HOSTILE = '\x1b]0;owned\x07\x1b[2J\x1b]52;c;cm0gLXJm\x07\x9b31m\u202eevil\x1b[8mhidden\ud800\x7f\r';

const OBEYED = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

test('what a terminal would obey is shown instead; line ends, tabs and other scripts stay', () => {
  assert.equal(printable('\x1b[2J\x07'), '\\x1b[2J\\x07');
  assert.equal(printable('a\u202eb\u0085'), 'a\\u202eb\\x85');
  const plain = 'line\n\ttab é 漢字 👩‍🚀 ×';
  assert.equal(printable(plain), plain);
  assert.doesNotMatch(printable(HOSTILE), OBEYED);
});

test("the command line's own colours stay, other sequences in the same text do not", () => {
  const red = colours.red('failed');
  assert.equal(
    printableScreen(`${red} \x1b[8mhidden \x1b[5mblink \x1b[31;5mboth`),
    `${red} \\x1b[8mhidden \\x1b[5mblink \\x1b[31;5mboth`,
  );
  for (const style of [colours.bold, colours.dim, colours.green, colours.cyan, colours.yellow])
    assert.equal(printableScreen(style('x')), style('x'));
});

test('data are printable down to keys, and what is no plain data stays as it is', () => {
  const date = new Date(0);
  const data = printableData({ [HOSTILE]: [{ why: HOSTILE, at: date, n: 1, none: null }] });
  assert.doesNotMatch(JSON.stringify(data), OBEYED);
  assert.doesNotMatch(JSON.stringify(data), /\\u00(?:1b|07)/);
  assert.equal(Object.values(data)[0]?.[0]?.at, date);
});

test('colours that come with data are shown, and not obeyed', () => {
  const text = renderText({ why: colours.red('all is well') }, ({ why }) => colours.bold(why));
  assert.equal(text, colours.bold(printable(colours.red('all is well'))));
});

test('JSON stays the same document, without a raw control character', () => {
  const json = printableJson(JSON.stringify({ why: HOSTILE.replace('\ud800', '') }, undefined, 2));
  assert.doesNotMatch(json, OBEYED);
  assert.deepEqual(JSON.parse(json), { why: HOSTILE.replace('\ud800', '') });
});

test('tables of the pool show what hosts and people call themselves, and obey none of it', () => {
  const host = {
    ...{ name: HOSTILE, gpus: 2, freeGpus: 0, usable: false, present: true, strikes: [] },
    cordoned: { by: HOSTILE, why: HOSTILE, at: 0 },
    leases: [
      {
        requestId: 'r',
        holder: HOSTILE,
        gpuIndices: [0],
        token: 1,
        since: 0,
        priority: 0,
        askedToYield: { why: HOSTILE, by: 'p', at: 0 },
      },
    ],
  };
  const view = { hosts: [host], queue: [], problem: HOSTILE };
  // @ts-expect-error -- views of other versions have more, and less
  const text = renderText(view, (one) => renderPool(HOSTILE, one, 0));
  assert.doesNotMatch(text.replaceAll(/\x1b\[(?:\d|[1-9]\d)m/g, ''), OBEYED);
});

test('reports of a sweep hold no control characters in any form', () => {
  const report = reportOf([trialWith([1], { id: HOSTILE, group: HOSTILE, status: 'failed', why: HOSTILE })]);
  for (const format of ['md', 'csv', 'html'] as const satisfies readonly ReportFormat[])
    assert.doesNotMatch(renderReport(printableData(report), format).replaceAll('\r\n', '\n'), OBEYED, format);
});
