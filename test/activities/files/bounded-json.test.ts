import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { parseBoundedJson } from '../../../activities/files/bounded-json.ts';
import { headSchema, overrides } from '../../../activities/storage/schemas.ts';

function refused(text: string, schema: z.ZodType, message: RegExp): void {
  const begun = performance.now();
  assert.throws(
    () => parseBoundedJson(text, schema, 's3://glee/x.json'),
    (error) => {
      assert.ok(error instanceof Error && error.name === 'UnreadableObject', String(error));
      assert.match(error.message, message);
      assert.ok(error.message.length < 3000);
      return true;
    },
  );
  assert.ok(performance.now() - begun < 3000);
}

describe('parseBoundedJson', () => {
  it('refuses what nests too deep for a schema that refers to itself', () => {
    const deep = `${'{"a":['.repeat(50_000)}0${']}'.repeat(50_000)}`;
    refused(deep, overrides, /^s3:\/\/glee\/x\.json is not what this version writes: it nests more than/);
    const nested = (depth: number) => `${'['.repeat(depth)}0${']'.repeat(depth)}`;
    refused(nested(101), z.json(), /it nests more than 100 deep/);
    assert.equal(JSON.stringify(parseBoundedJson(nested(100), z.json(), 'x')), nested(100));
  });

  it('refuses more values than anything of ours has, and tells only the first of many problems', () => {
    refused(`[${'0,'.repeat(1_100_000)}0]`, headSchema, /more than 1000000 values/);
    refused(`[${'0,'.repeat(10_000)}0]`, z.array(z.string()), /expected string/);
  });

  it('does not take brackets within strings for nesting', () => {
    const text = JSON.stringify({ a: `${'['.repeat(1000)}"\\${'{'.repeat(1000)}` });
    assert.deepEqual(parseBoundedJson(text, overrides, 'x'), JSON.parse(text));
    refused('{"a": "\\', overrides, /is not JSON/);
  });
});
