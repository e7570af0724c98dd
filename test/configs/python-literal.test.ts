import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePythonLiteral, pythonLiteral } from '../../configs/python-literal.ts';

test('texts that are Python literals are read as Python reads them', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['("a", "b",)', ['a', 'b']],
    ['( \'a\', "b" )', ['a', 'b']],
    ['("a")', 'a'],
    ['("a",)', ['a']],
    ['("a" "b",)', ['ab']],
    ['(300000,380000 )', [300_000, 380_000]],
    ['((1, 2), [3])', [[1, 2], [3]]],
    ['1, 2', [1, 2]],
    ['()', []],
    ['1e-4', 0.0001],
    ['-3', -3],
    ['.5', 0.5],
    ['1_000', 1000],
    ['True', true],
    ['None', null],
    ['"it\'s"', "it's"],
    ['"\\u00e9\\n"', 'é\n'],
  ];
  for (const [text, value] of cases) assert.deepEqual(parsePythonLiteral(text), value, text);
});

test('texts that are no Python literals stay texts', () => {
  const texts = [
    'weights/x.pth',
    'basic',
    './exp/a',
    '010',
    '3.14.15',
    '1a',
    '(1, 2',
    '(,)',
    '("a",,)',
    'true',
    '',
    '__import__("os")',
  ];
  for (const text of texts) assert.equal(parsePythonLiteral(text), undefined, text);
});

test('values written as Python literals read back the same', () => {
  const values = [['coco_2017_train'], [], [1, 0.05, -2e-7], [true, null], [["it's", 'a "b"'], ['c\\d\n']]];
  for (const value of values) assert.deepEqual(parsePythonLiteral(pythonLiteral(value)), value);
});

test('a text of any content is read, or left a text, in a moment', () => {
  const pieces = ['1', '1_', '(', '[', '"', "''", '"a"', '1,', ' ', '1.', '\\', '1e', 'True'];
  for (const piece of pieces)
    for (const end of ['', 'x', ')'])
      for (const length of [40_000, 1_000_000]) {
        const begun = performance.now();
        parsePythonLiteral(piece.repeat(length / piece.length) + end);
        const ms = performance.now() - begun;
        assert.ok(ms < 300, `${piece} ${end} ${String(length)}: ${String(ms)} ms`);
      }
});

test('what no config holds stays a text: too deep, or a number that JSON has no place for', () => {
  for (const text of ['('.repeat(200) + '1,' + ')'.repeat(200), '9'.repeat(400), '1e999'])
    assert.equal(parsePythonLiteral(text), undefined);
});
