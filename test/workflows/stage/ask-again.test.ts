import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askAgainAfterMs } from '../../../workflows/stage/ask-again.ts';

test('a stage asks for hosts again after half a minute, then ever more rarely, and at least each quarter of an hour', () => {
  const waits = Array.from({ length: 8 }, (_, index) => askAgainAfterMs(index + 1) / 1000);
  assert.deepEqual(waits, [30, 60, 120, 240, 480, 900, 900, 900]);
  assert.equal(askAgainAfterMs(1e6), 900_000);
});
