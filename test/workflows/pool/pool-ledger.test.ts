import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lease } from '../../../contracts/pool.ts';
import { joinHost, loseHost } from '../../../workflows/pool/pool-hosts.ts';
import {
  endHolder,
  enqueue,
  grant,
  holders,
  release,
  reprioritise,
} from '../../../workflows/pool/pool-ledger.ts';
import { viewPool } from '../../../workflows/pool/pool-view.ts';
import { grantAll, grants, host, leased, NOW, poolOf, request, waiting } from './pools.ts';

test('a gang is granted whole, in the order of its hosts, without what the pool itself notes of them', () => {
  const { state, granted } = grant(enqueue(poolOf('c', 'b', 'a'), request('one', { hosts: 2 }), NOW), 1000);
  const gpuIndices = [0, 1, 2, 3, 4, 5, 6, 7];
  assert.deepEqual(granted, [
    {
      ...{ requestId: 'one', holder: 'holder-of-one', holderSince: 0, token: 1000 },
      hosts: ['a', 'b'].map((name) => ({ name, gpus: 8, address: `${name}.example`, gpuIndices })),
    },
  ]);
  assert.deepEqual(state.queue, []);
  assert.deepEqual(grants(state), []);
});

test('nothing of a gang is granted while a part of it is missing', () => {
  const state = enqueue(poolOf('a'), request('one', { hosts: 2 }), NOW);
  assert.deepEqual(grants(state), []);
  assert.deepEqual(leased(grantAll(joinHost(state, host('b')))), { a: 'one', b: 'one' });
});

test('hosts with fewer GPUs than are wanted are no part of a gang', () => {
  const state = enqueue(joinHost(poolOf('a'), { ...host('b'), gpus: 4 }), request('one', { hosts: 2 }), NOW);
  assert.deepEqual(grants(state), []);
  assert.equal(grants(enqueue(state, request('two', { hosts: 2, gpusPerHost: 4 }), NOW)).length, 1);
});

test('a request that waits for busy hosts is not overtaken by smaller ones', () => {
  const busy = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 1 }), NOW));
  const state = enqueue(
    enqueue(busy, request('two', { hosts: 2 }), NOW),
    request('three', { hosts: 1 }),
    NOW,
  );
  assert.deepEqual(grants(state), []);
  assert.deepEqual(leased(grantAll(release(state, 'one'))), { a: 'two', b: 'two' });
});

test('a request for more than there is holds up no one, and is served when the hosts come', () => {
  const state = enqueue(
    enqueue(poolOf('a', 'b'), request('big', { hosts: 3 }), NOW),
    request('small', { hosts: 1 }),
    NOW,
  );
  const granted = grantAll(state);
  assert.deepEqual(leased(granted), { a: 'small' });
  const grown = release(joinHost(granted, host('c')), 'small');
  assert.deepEqual(leased(grantAll(grown)), { a: 'big', b: 'big', c: 'big' });
});

test('a host that was just seen to fail comes last, and still comes when there is no other', () => {
  const avoid = ['a'];
  const state = enqueue(poolOf('a', 'b', 'c'), request('one', { hosts: 2, avoid }), NOW);
  assert.deepEqual(namesOf(grants(state)), ['b', 'c']);
  const scarce = enqueue(poolOf('a', 'b'), request('one', { hosts: 2, avoid }), NOW);
  assert.deepEqual(namesOf(grants(scarce)), ['b', 'a']);
});

test('a lost host is not granted until it joins again, and a lease on it stays', () => {
  const granted = loseHost(grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 1 }), NOW)), 'a', NOW);
  assert.deepEqual(leased(granted), { a: 'one' });
  const lost = enqueue(release(granted, 'one'), request('two', { hosts: 2 }), NOW);
  assert.deepEqual(grants(lost), []);
  assert.deepEqual(leased(grantAll(joinHost(lost, host('a')))), { a: 'two', b: 'two' });
});

test('a host that joins again while it is leased stays leased, with what it offers now', () => {
  const granted = grantAll(enqueue(poolOf('a'), request('one', { hosts: 1 }), NOW));
  const again = joinHost(granted, { ...host('a'), gpus: 4, address: 'moved.example' });
  const [seen] = viewPool(again, NOW).hosts;
  assert.deepEqual(
    [seen?.gpus, seen?.address, seen?.freeGpus, seen?.leasedTo],
    [4, 'moved.example', 0, 'holder-of-one'],
  );
});

test('tokens grow with the clock, and without it when it stands still or is set back', () => {
  let state = poolOf('a');
  const tokens: (number | undefined)[] = [];
  for (const nowMs of [5000, 5000, 100, 9000]) {
    const { state: next, granted } = grant(enqueue(state, request(`at-${tokens.length}`), nowMs), nowMs);
    tokens.push(granted[0]?.token);
    state = release(next, granted[0]?.requestId ?? '');
  }
  assert.deepEqual(tokens, [5000, 5001, 5002, 9000]);
});

test('gangs that are granted in one decision have tokens of their own', () => {
  const state = enqueue(enqueue(poolOf('a', 'b'), request('one'), NOW), request('two'), NOW);
  assert.deepEqual(
    grants(state, 7000).map(({ token }) => token),
    [7000, 7001],
  );
});

test('tokens grow also when the pool has lost its memory', () => {
  const [before] = grants(enqueue(poolOf('a'), request('one'), NOW), 5000);
  const [after] = grants(enqueue(poolOf('a'), request('one'), NOW), 5001);
  assert.ok(before && after && after.token > before.token);
});

test('a request that is made twice is one, whether it waits or is granted', () => {
  const one = request('one', { hosts: 2 });
  const waiting = enqueue(enqueue(poolOf('a'), one, NOW), one, NOW);
  assert.equal(waiting.queue.length, 1);
  const granted = grantAll(joinHost(waiting, host('b')));
  assert.equal(enqueue(granted, one, NOW), granted);
});

test('a holder that was started again has lost what it held and wanted before', () => {
  const before = enqueue(
    poolOf('a', 'b'),
    request('old', { holder: 'stage', holderSince: 1, hosts: 2 }),
    NOW,
  );
  const again = request('new', { holder: 'stage', holderSince: 2, hosts: 2 });
  assert.deepEqual(leased(grantAll(enqueue(grantAll(before), again, NOW))), { a: 'new', b: 'new' });
  assert.deepEqual(waiting(enqueue(before, again, NOW)), ['new']);
});

test('a holder keeps what it holds when one of its own requests, or an older one, comes late', () => {
  const own = { holder: 'stage', holderSince: 2, hosts: 1 };
  const granted = grantAll(enqueue(poolOf('a'), request('one', own), NOW));
  for (const late of [request('late', own), request('older', { ...own, holderSince: 1 })]) {
    assert.deepEqual(leased(enqueue(granted, late, NOW)), { a: 'one' });
  }
});

test('a release frees the hosts of its lease or takes its request back, and no others', () => {
  const granted = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 2 }), NOW));
  const state = enqueue(
    enqueue(granted, request('two', { hosts: 2 }), NOW),
    request('three', { hosts: 2 }),
    NOW,
  );
  assert.deepEqual(waiting(release(state, 'two')), ['three']);
  assert.deepEqual(leased(release(state, 'two')), leased(state));
  assert.deepEqual(leased(release(state, 'one')), {});
  assert.deepEqual(release(state, 'unknown'), state);
});

test('what an ended holder held and wanted is over', () => {
  const granted = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 1 }), NOW));
  const state = enqueue(
    enqueue(granted, request('two', { hosts: 2 }), NOW),
    request('more', { holder: 'holder-of-one' }),
    NOW,
  );
  assert.deepEqual(holders(state), ['holder-of-one', 'holder-of-two']);
  const ended = endHolder(state, 'holder-of-one');
  assert.deepEqual(leased(ended), {});
  assert.deepEqual(waiting(ended), ['two']);
});

test("the order of hosts does not depend on the worker's language: grants are replayed on any machine", () => {
  // English puts a before B, and gpu-1 beside gpu_1.
  const names = ['gpu_1', 'a', 'B', 'gpu-1', 'é'];
  assert.deepEqual(
    poolOf(...names).hosts.map(({ name }) => name),
    ['B', 'a', 'gpu-1', 'gpu_1', 'é'],
  );
});

function namesOf(leases: readonly Lease[]): string[] {
  return leases.flatMap(({ hosts }) => hosts.map(({ name }) => name));
}

test('who waits, or holds hosts, can be made more urgent, or less', () => {
  const busy = grantAll(enqueue(poolOf('a'), request('one', { hosts: 1, priority: 5 }), NOW));
  const queued = enqueue(
    enqueue(busy, request('two', { hosts: 1 }), NOW),
    request('three', { hosts: 1 }),
    NOW,
  );
  const state = reprioritise(reprioritise(queued, 'three', 3), 'one', 1);
  assert.equal(state.leases[0]?.rank, 1);
  const order = viewPool(state, NOW).queue.map(({ requestId }) => requestId);
  assert.deepEqual(order, ['three', 'two']);
});
