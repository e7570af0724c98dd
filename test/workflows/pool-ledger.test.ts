import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeaseRequest } from '../../contracts/pool.ts';
import {
  emptyPool,
  endHolder,
  enqueue,
  grantNext,
  holders,
  joinHost,
  loseHost,
  release,
  viewPool,
  type PoolState,
} from '../../workflows/pool-ledger.ts';

test('a gang is granted whole, in the order of its hosts, without what the pool itself notes of them', () => {
  const granted = grantNext(enqueue(poolOf('c', 'b', 'a'), request('one', { hosts: 2 })), 1000);
  assert.deepEqual(granted?.lease, {
    ...{ requestId: 'one', holder: 'holder-of-one', holderSince: 0, token: 1000 },
    hosts: ['a', 'b'].map((name) => ({ name, gpus: 8, address: `${name}.example` })),
  });
  assert.deepEqual(granted.state.queue, []);
  assert.equal(grantNext(granted.state, 1000), undefined);
});

test('nothing of a gang is granted while a part of it is missing', () => {
  const state = enqueue(poolOf('a'), request('one', { hosts: 2 }));
  assert.equal(grantNext(state, 1), undefined);
  assert.deepEqual(leased(grantAll(joinHost(state, host('b')))), { a: 'one', b: 'one' });
});

test('hosts with fewer GPUs than are wanted are no part of a gang', () => {
  const state = enqueue(joinHost(poolOf('a'), { ...host('b'), gpus: 4 }), request('one', { hosts: 2 }));
  assert.equal(grantNext(state, 1), undefined);
  assert.notEqual(grantNext(enqueue(state, request('two', { hosts: 2, gpusPerHost: 4 })), 1), undefined);
});

test('a request that waits for busy hosts is not overtaken by smaller ones', () => {
  const busy = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 1 })));
  const state = enqueue(enqueue(busy, request('two', { hosts: 2 })), request('three', { hosts: 1 }));
  assert.equal(grantNext(state, 1), undefined);
  assert.deepEqual(leased(grantAll(release(state, 'one'))), { a: 'two', b: 'two' });
});

test('a request for more than there is holds up nobody, and is served when the hosts come', () => {
  const state = enqueue(
    enqueue(poolOf('a', 'b'), request('big', { hosts: 3 })),
    request('small', { hosts: 1 }),
  );
  const granted = grantAll(state);
  assert.deepEqual(leased(granted), { a: 'small' });
  const grown = release(joinHost(granted, host('c')), 'small');
  assert.deepEqual(leased(grantAll(grown)), { a: 'big', b: 'big', c: 'big' });
});

test('a host that was just seen to fail comes last, and still comes when there is no other', () => {
  const avoid = ['a'];
  const state = enqueue(poolOf('a', 'b', 'c'), request('one', { hosts: 2, avoid }));
  assert.deepEqual(namesOf(grantNext(state, 1)), ['b', 'c']);
  const scarce = enqueue(poolOf('a', 'b'), request('one', { hosts: 2, avoid }));
  assert.deepEqual(namesOf(grantNext(scarce, 1)), ['b', 'a']);
});

test('a lost host is not granted until it joins again, and a lease on it stays', () => {
  const granted = loseHost(grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 1 }))), 'a');
  assert.deepEqual(leased(granted), { a: 'one' });
  const lost = enqueue(release(granted, 'one'), request('two', { hosts: 2 }));
  assert.equal(grantNext(lost, 1), undefined);
  assert.deepEqual(leased(grantAll(joinHost(lost, host('a')))), { a: 'two', b: 'two' });
});

test('a host that joins again while it is leased stays leased, with what it offers now', () => {
  const granted = grantAll(enqueue(poolOf('a'), request('one', { hosts: 1 })));
  const again = joinHost(granted, { ...host('a'), gpus: 4, address: 'moved.example' });
  assert.deepEqual(viewPool(again).hosts, [
    { name: 'a', gpus: 4, address: 'moved.example', present: true, leasedTo: 'holder-of-one' },
  ]);
});

test('tokens grow with the clock, and without it when it stands still or is set back', () => {
  let state = poolOf('a');
  const tokens: number[] = [];
  for (const nowMs of [5000, 5000, 100, 9000]) {
    const granted = grantNext(enqueue(state, request(`at-${String(tokens.length)}`, { hosts: 1 })), nowMs);
    assert.ok(granted);
    tokens.push(granted.lease.token);
    state = release(granted.state, granted.lease.requestId);
  }
  assert.deepEqual(tokens, [5000, 5001, 5002, 9000]);
});

test('tokens grow also when the pool has lost its memory', () => {
  const before = grantNext(enqueue(poolOf('a'), request('one', { hosts: 1 })), 5000);
  const after = grantNext(enqueue(poolOf('a'), request('one', { hosts: 1 })), 5001);
  assert.ok(before && after && after.lease.token > before.lease.token);
});

test('a request that is made twice is one, whether it waits or is granted', () => {
  const one = request('one', { hosts: 2 });
  const waiting = enqueue(enqueue(poolOf('a'), one), one);
  assert.equal(waiting.queue.length, 1);
  const granted = grantAll(joinHost(waiting, host('b')));
  assert.equal(enqueue(granted, one), granted);
});

test('a holder that was started anew has lost what it held and wanted before', () => {
  const before = enqueue(poolOf('a', 'b'), request('old', { holder: 'stage', holderSince: 1, hosts: 2 }));
  const anew = request('new', { holder: 'stage', holderSince: 2, hosts: 2 });
  assert.deepEqual(leased(grantAll(enqueue(grantAll(before), anew))), { a: 'new', b: 'new' });
  assert.deepEqual(enqueue(before, anew).queue, [anew]);
});

test('a holder keeps what it holds when one of its own requests, or an older one, comes late', () => {
  const own = { holder: 'stage', holderSince: 2, hosts: 1 };
  const granted = grantAll(enqueue(poolOf('a'), request('one', own)));
  for (const late of [request('late', own), request('older', { ...own, holderSince: 1 })]) {
    assert.deepEqual(leased(enqueue(granted, late)), { a: 'one' });
  }
});

test('a release frees the hosts of its lease or takes its request back, and no others', () => {
  const granted = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 2 })));
  const state = enqueue(enqueue(granted, request('two', { hosts: 2 })), request('three', { hosts: 2 }));
  assert.deepEqual(waiting(release(state, 'two')), ['three']);
  assert.deepEqual(leased(release(state, 'two')), leased(state));
  assert.deepEqual(leased(release(state, 'one')), {});
  assert.deepEqual(release(state, 'unknown'), state);
});

test('what an ended holder held and wanted is over', () => {
  const granted = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 1 })));
  const state = enqueue(
    enqueue(granted, request('two', { hosts: 2 })),
    request('more', { holder: 'holder-of-one' }),
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

test('what a person sees of the pool is who is there, who holds whom, and who waits', () => {
  const granted = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 1 })));
  const two = request('two', { hosts: 2 });
  assert.deepEqual(viewPool(loseHost(enqueue(granted, two), 'b')), {
    hosts: [
      { ...host('a'), present: true, leasedTo: 'holder-of-one' },
      { ...host('b'), present: false, leasedTo: null },
    ],
    queue: [two],
  });
});

function poolOf(...names: readonly string[]): PoolState {
  return names.reduce((state, name) => joinHost(state, host(name)), emptyPool);
}

function host(name: string) {
  return { name, gpus: 8, address: `${name}.example` };
}

function request(requestId: string, more: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    requestId,
    holder: `holder-of-${requestId}`,
    holderSince: 0,
    hosts: 1,
    gpusPerHost: 8,
    avoid: [],
    ...more,
  };
}

function grantAll(state: PoolState): PoolState {
  const granted = grantNext(state, 1);
  return granted === undefined ? state : grantAll(granted.state);
}

function leased({ leases }: PoolState): Record<string, string> {
  return Object.fromEntries(
    leases.flatMap(({ hosts, requestId }) => hosts.map(({ name }) => [name, requestId])),
  );
}

function waiting({ queue }: PoolState): string[] {
  return queue.map(({ requestId }) => requestId);
}

function namesOf(granted: ReturnType<typeof grantNext>): string[] {
  return granted?.lease.hosts.map(({ name }) => name) ?? [];
}
