import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactly, json, oneOf, parse, text, variants, whole } from '../../contracts/parsing.ts';

const problemOf = (parsed: ReturnType<typeof parse>) => (parsed.ok ? undefined : parsed.problem);

test('an object is read exactly: nothing is missing, nothing is unknown, what is optional may be absent', () => {
  const read = exactly({ name: text(5) }, { count: whole(0, 9) });
  assert.deepEqual(parse(read, { name: 'a' }, 'x'), { ok: true, value: { name: 'a' } });
  assert.deepEqual(parse(read, { name: 'a', count: 1 }, 'x'), { ok: true, value: { name: 'a', count: 1 } });
  assert.equal(problemOf(parse(read, {}, 'x')), 'x.name is missing');
  assert.equal(problemOf(parse(read, undefined, 'x')), 'x must be an object, not nothing');
  assert.equal(problemOf(parse(read, [], 'x')), 'x must be an object, not a list of 0');
  assert.match(
    problemOf(parse(read, { name: 'a', count: 10 }, 'x')) ?? '',
    /^x\.count must be a whole number/,
  );
  const long = { name: 'a', ['k'.repeat(1e6)]: 1 };
  assert.equal(problemOf(parse(read, long, 'x')), `x has an unknown key '${'k'.repeat(60)}'`);
});

test('keys that every object inherits are neither found nor allowed', () => {
  const read = exactly({ constructor: text(5) });
  assert.equal(problemOf(parse(read, {}, 'x')), 'x.constructor is missing');
  const none = exactly({});
  for (const given of ['{"__proto__":{"a":1}}', '{"constructor":1}', '{"toString":1}'])
    assert.match(problemOf(parse(none, JSON.parse(given), 'x')) ?? '', /unknown key/, given);
});

test('variants are told apart by one field', () => {
  const read = variants('kind', {
    none: exactly({ kind: oneOf('none') }),
    some: exactly({ kind: oneOf('some'), of: text(3) }),
  });
  assert.deepEqual(parse(read, { kind: 'some', of: 'a' }, 'x'), {
    ok: true,
    value: { kind: 'some', of: 'a' },
  });
  assert.equal(problemOf(parse(read, { kind: 'none', of: 'a' }, 'x')), "x has an unknown key 'of'");
  for (const kind of ['toString', '__proto__', 7, undefined])
    assert.match(problemOf(parse(read, { kind }, 'x')) ?? '', /^x\.kind must be "none" or "some", not /);
});

test('JSON is bounded in depth, in values and in the length of its texts, and comes back as it is', () => {
  const read = json(2, 5, 3);
  const value = { a: [1, 'abc', null] };
  assert.deepEqual(parse(read, value, 'x'), { ok: true, value });
  assert.equal(problemOf(parse(read, { a: [[1]] }, 'x')), 'x is nested more than 2 deep');
  assert.equal(problemOf(parse(read, [1, 2, 3, 4, 5], 'x')), 'x has more than 5 values');
  assert.match(problemOf(parse(read, ['abcd'], 'x')) ?? '', /^x must be text of at most 3 characters/);
});
