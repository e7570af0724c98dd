import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePythonLiteral, pythonLiteral } from '../../../planning/pyyaml/python-literal.ts';
import { plain, PythonOther } from '../../../planning/pyyaml/python-value.ts';

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
    ['0x1F', 31],
    ['-(1)', -1],
    ["r'a\\n' \"'b'\"", "a\\n'b'"],
    ['(1, # one\n2)', [1, 2]],
    ["'\\U0001F600'", '😀'],
    ['True', true],
    ['None', null],
    ['"it\'s"', "it's"],
    ['"\\u00e9\\n"', 'é\n'],
  ];
  for (const [text, value] of cases) assert.deepEqual(plainLiteral(text), value, text);
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
    '1 + 2',
    '1\n2',
    '--1',
    "f'x'",
    '1' + '0'.repeat(5000),
    '('.repeat(201) + ')'.repeat(201),
    '',
    '__import__("os")',
  ];
  for (const text of texts) assert.equal(parsePythonLiteral(text), undefined, text);
});

test('values written as Python literals read back the same', () => {
  const values = [['coco_2017_train'], [], [1, 0.05, -2e-7], [true, null], [["it's", 'a "b"'], ['c\\d\n']]];
  for (const value of values) assert.deepEqual(plainLiteral(pythonLiteral(value)), value);
});

test('a text of any content is read, or left a text, in a moment', () => {
  const pieces = ['1', '1_', '(', '[', '"', "''", '"a"', '1,', ' ', '1.', '\\', '1e', 'True'];
  for (const piece of pieces)
    for (const end of ['', 'x', ')'])
      for (const length of [40_000, 1_000_000]) {
        const begun = performance.now();
        parsePythonLiteral(piece.repeat(length / piece.length) + end);
        const ms = performance.now() - begun;
        assert.ok(ms < 300, `${piece} ${end} ${length}: ${ms} ms`);
      }
});

test('dicts, sets, bytes and complex numbers are literals that no setting can be', () => {
  for (const [text, type] of [
    ['{"a": 1}', 'dict'],
    ['{1, 2,}', 'set'],
    ["b'x'", 'bytes'],
    ['1+2j', 'complex'],
    ['...', 'ellipsis'],
  ] as const) {
    const value = parsePythonLiteral(text);
    assert.ok(value instanceof PythonOther && value.type === type, text);
  }
});

test('a long text of brackets, quotes or digits takes no time that grows faster than it', () => {
  const began = performance.now();
  for (const part of ['(', '[1,', '"a"', "'", '1', '1_', '.', '\\', '"\\', '-', '{', '# ', '\n', '1e'])
    parsePythonLiteral(part.repeat(100_000));
  assert.ok(performance.now() - began < 5000);
});

function plainLiteral(text: string) {
  const value = parsePythonLiteral(text);
  return value === undefined ? undefined : plain(value);
}
