import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionText } from '../../cli/pool/render.ts';

test('a host that is quarantined for reasons that name many files keeps to a few lines of the table', () => {
  const host = { name: 'gpu-1', gpus: 8, address: 'gpu-1', present: true, usable: false, freeGpus: 8 };
  const quarantined = { reason: 'data: no annotations; '.repeat(100), since: 0 };
  const text = conditionText({ ...host, quarantined, leases: [], leasedTo: null });
  assert.match(text, /^quarantined: data: no annotations; .*… \(whole with --json\)$/);
  assert.ok(text.length < 450);
});
