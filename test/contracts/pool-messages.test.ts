import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse, type Reader } from '../../contracts/parsing.ts';
import {
  LONGEST_REASON,
  readBlame,
  readCarriedLease,
  readJoin,
  readLease,
  readOrder,
  readPriorityChange,
  readRelease,
  readRequest,
  readYield,
} from '../../contracts/pool-messages.ts';
import { randomNumbers } from '../../sandbox/random.ts';

const host = {
  ...{ name: 'gpu-1', gpus: 8, address: '10.0.0.1', gpuMemoryMiB: 80_000, labels: { zone: 'b' } },
  ...{ pretend: true, leaving: 'SIGTERM', place: 'ab12', workerSince: 5 },
};
const leased = { ...host, gpuIndices: [0, 1] };
const lease = { requestId: 'r', holder: 'h', holderSince: 1, hosts: [leased], token: 7 };
const job = { holder: 'h', requestId: 'r', token: 7, gpuIndices: [0] };
const wanted = { hosts: 1, gpusPerHost: 8, avoid: ['gpu-2'], priority: 3, team: 'v', replaces: 'q' };

const MESSAGES: readonly (readonly [string, Reader<unknown>, object])[] = [
  ['join', readJoin, { ...host, jobs: [job] }],
  ['request', readRequest, { requestId: 'r', holder: 'h', holderSince: 1, ...wanted, needs: { labels: {} } }],
  ['release', readRelease, { requestId: 'r' }],
  ['priority', readPriorityChange, { requestId: 'r', priority: -3 }],
  ['blame', readBlame, { host: 'gpu-1', holder: 'h', reason: 'Xid 79', weight: 'at once' }],
  ['order', readOrder, { host: 'gpu-1', by: 'me', why: 'a test' }],
  ['lease', readLease, lease],
  ['yield', readYield, { requestId: 'r', why: 'urgent-1 wants it', withinMs: 60_000 }],
  ['carried', readCarriedLease, { held: lease, wanted: null, replaces: null, holderSince: 1 }],
];

const NEVER = [undefined, null, 0, '', 'x', [], {}, [{}], { requestId: 1 }, 3e8, true];

for (const [name, read, good] of MESSAGES) {
  test(`a ${name} is read as it was sent, and anything else is a problem with a short name, never an error`, () => {
    assert.deepEqual(parse(read, good, name), { ok: true, value: good });
    assert.deepEqual(parse(read, { ...good, unknown: 'x'.repeat(1e6) }, name), { ok: true, value: good });
    for (const bad of NEVER) {
      const parsed = parse(read, bad, name);
      assert.ok(!parsed.ok && parsed.problem.startsWith(name), JSON.stringify(bad));
    }
    const random = randomNumbers(7);
    for (let round = 0; round < 2000; round += 1) {
      const parsed = parse(read, broken(good, random), name);
      if (!parsed.ok) assert.ok(parsed.problem.length < 300, parsed.problem);
    }
  });
}

test('what a shell could run, or would cost a pool its memory, is no host', () => {
  const bad = [
    { address: '127.0.0.1;id>/tmp/x;echo ' },
    { address: '$(id)' },
    { address: '-oProxyCommand=id' },
    { name: 'a b' },
    { name: '../x' },
    { gpus: 300_000_000 },
    { gpus: -1 },
    { gpus: 1.5 },
    { labels: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, 'v'])) },
    { labels: { zone: 'x'.repeat(1000) } },
    { leaving: 'x'.repeat(10_000) },
    { jobs: Array.from({ length: 1000 }, () => job) },
  ];
  for (const more of bad) assert.ok(!parse(readJoin, { ...host, ...more }, 'join').ok, JSON.stringify(more));
  for (const address of ['::1', 'fe80::1:2', '2001:db8::10.0.0.1', 'gpu_1.example', 'localhost'])
    assert.ok(parse(readJoin, { ...host, address }, 'join').ok, address);
});

/** A copy with one value somewhere in it replaced. */
function broken(value: unknown, random: () => number): unknown {
  if (random() < 0.3 || typeof value !== 'object' || value === null)
    return [null, -1, NaN, 1e300, 'x'.repeat(5000), [], {}, [[]], false][Math.floor(random() * 9)];
  const entries: [string, unknown][] = Object.entries(value);
  const chosen = Math.floor(random() * entries.length);
  const changed = entries.map(([key, inner], index): [string, unknown] => [
    key,
    index === chosen ? broken(inner, random) : inner,
  ]);
  return Array.isArray(value) ? changed.map(([, inner]) => inner) : Object.fromEntries(changed);
}

test('a holder yields for as long a reason, and within as long a time, as a pool may send', () => {
  const why = `${'g'.repeat(63)} is drained: ${'x'.repeat(LONGEST_REASON)}`;
  const parsed = parse(readYield, { requestId: 'r', why, withinMs: 30 * 86_400_000 }, 'yield');
  assert.ok(parsed.ok, 'else the lease would never be given back');
  assert.equal(parsed.value.why.length, LONGEST_REASON);
  assert.ok(!parse(readYield, { requestId: 'r', why, withinMs: 31 * 86_400_000 }, 'yield').ok);
});
