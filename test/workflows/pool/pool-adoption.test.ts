import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from '../../../contracts/parsing.ts';
import type { HostJoin, Lease, LeaseAccount } from '../../../contracts/pool.ts';
import { readCarriedPool } from '../../../workflows/pool/carried-pool.ts';
import { adoptAccounts, adoptJobs } from '../../../workflows/pool/pool-adoption.ts';
import { hasRoomFor, MAX_REQUESTS } from '../../../workflows/pool/pool-bounds.ts';
import {
  drainHost,
  hostsToLetGo,
  joinHost,
  leaveHost,
  refusalOfJoin,
} from '../../../workflows/pool/pool-hosts.ts';
import { endHolder, enqueue, release } from '../../../workflows/pool/pool-ledger.ts';
import { askToYield } from '../../../workflows/pool/pool-preemption.ts';
import { emptyPool, type PoolState } from '../../../workflows/pool/pool-state.ts';
import { viewPool } from '../../../workflows/pool/pool-view.ts';
import { grantAll, grants, host, leased, NOW, poolOf, request, waiting } from './pools.ts';

const DAY = 86_400_000;
const job = { holder: 'run/stage1', requestId: 'old', token: NOW - 5, gpuIndices: [0, 1] };

test('a host that joins with living jobs gives only its other GPUs to others, until the holder gives back the lease', () => {
  const { state, adopted } = joins(emptyPool, { ...host('a'), jobs: [job] });
  assert.deepEqual(
    adopted.map(({ requestId, holder, token }) => [requestId, holder, token]),
    [['old', 'run/stage1', NOW - 5]],
  );
  const asked = enqueue(state, request('whole'), NOW);
  assert.deepEqual(grants(asked), []);
  assert.deepEqual(leased(grantAll(enqueue(state, request('part', { gpusPerHost: 6 }), NOW))), {
    a: 'old 0 1, part 2 3 4 5 6 7',
  });
  assert.deepEqual(leased(grantAll(release(asked, 'old'))), { a: 'whole' });
  assert.deepEqual(leased(grantAll(endHolder(asked, 'run/stage1'))), { a: 'whole' });
  const [lease] = viewPool(state, NOW).hosts[0]?.leases ?? [];
  assert.deepEqual([lease?.adopted, lease?.gpuIndices, lease?.since], [true, [0, 1], NOW - 5]);
});

test('a job whose lease the pool knows changes nothing, and one told twice is one lease', () => {
  const known = grantAll(enqueue(poolOf('a'), request('one'), NOW));
  const same = joins(known, { ...host('a'), jobs: [{ ...job, requestId: 'one' }] });
  assert.deepEqual([same.adopted, same.state.leases], [[], known.leases]);
  const { state } = joins(emptyPool, { ...host('a'), jobs: [job] });
  const again = joins(state, { ...host('a'), jobs: [job, job] });
  assert.deepEqual([again.adopted, leased(again.state)], [[], { a: 'old 0 1' }]);
});

test("a job of an older attempt takes no GPU from its holder's newer lease", () => {
  const holder = 'run/stage1';
  const newer = grantAll(enqueue(poolOf('a'), request('new', { holder, gpusPerHost: 4 }), NOW));
  const old = (gpuIndices: readonly number[]) =>
    joins(newer, { ...host('a'), jobs: [{ ...job, holder, gpuIndices }] });
  assert.deepEqual([old([0, 1]).adopted, leased(old([0, 1]).state)], [[], { a: 'new 0 1 2 3' }]);
  assert.deepEqual(leased(old([3, 4]).state), { a: 'new 0 1 2 3, old 4' });
  // In either order: a host may tell of the older attempt before the holder tells of its newer lease.
  const told = joins(emptyPool, { ...host('a'), jobs: [{ ...job, holder }] }).state;
  const held = { ...lease('new', ['a']), holder, token: job.token + 1 };
  const later = adoptAccounts(told, [{ pool: 'default', priority: 0, held, request: null }], NOW);
  assert.deepEqual(
    later.state.leases.map(({ requestId }) => requestId),
    ['new'],
  );
  const foreign = joins(newer, { ...host('a'), jobs: [{ ...job, holder: 'other/stage1' }] });
  assert.equal(foreign.adopted.length, 1, "another holder's trainer is in use whatever the pool believes");
});

test('tokens grow beyond those told, but for one that no pool can have given', () => {
  const { state } = joins(emptyPool, { ...host('a'), jobs: [{ ...job, token: NOW + 10 }] });
  const [next] = grants(enqueue(state, request('one', { gpusPerHost: 6 }), NOW));
  assert.equal(next?.token, NOW + 11);
  const forged = joins(emptyPool, { ...host('a'), jobs: [{ ...job, token: NOW + 2 * DAY }] }).state;
  assert.equal(grants(enqueue(forged, request('one', { gpusPerHost: 6 }), NOW))[0]?.token, NOW);
});

test('holders tell of whole gangs, in rank order, also of hosts that have not joined yet', () => {
  const held = lease('old', ['b', 'a']);
  for (const order of ['hosts first', 'holders first']) {
    let state: PoolState = emptyPool;
    const tell = () => (state = adoptAccounts(state, [account({ held, priority: 4, team: 'v' })], NOW).state);
    if (order === 'holders first') tell();
    for (const name of ['a', 'b']) state = joins(state, { ...host(name), jobs: [job] }).state;
    if (order === 'hosts first') tell();
    assert.deepEqual(leased(state), { b: 'old', a: 'old' }, order);
    const [known] = state.leases;
    assert.deepEqual([known?.hosts[0]?.name, state.leases.length], ['b', 1]);
    if (order === 'hosts first') assert.deepEqual([known?.rank, known?.team], [4, 'v']);
  }
});

test('a stage that waits is in the queue of a pool that was started again, and what it holds can be asked for', () => {
  const accounts = [
    account({ request: request('waits', { priority: 3 }) }),
    account({ held: lease('old', ['a']) }),
  ];
  const { state } = adoptAccounts(poolOf('a'), accounts, NOW);
  assert.deepEqual(waiting(state), ['waits']);
  assert.deepEqual(
    askToYield(state, NOW).asks.map(({ ask }) => ask.requestId),
    ['old'],
  );
  const replaced = enqueue(state, request('next', { holder: 'run/stage1', replaces: 'old' }), NOW);
  assert.equal(replaced.queue.find(({ requestId }) => requestId === 'next')?.keepsPlace, true);
});

test('a drained host waits for the jobs that it came with, and its worker may leave after them', () => {
  const order = { host: 'a', by: 'me', why: 'new NIC' };
  const drained = joins(drainHost(poolOf('a'), order, NOW), { ...host('a'), jobs: [job] }).state;
  assert.deepEqual(hostsToLetGo(drained), []);
  assert.deepEqual(
    askToYield(drained, NOW).asks.map(({ ask }) => ask.why),
    ['a is drained: new NIC'],
  );
  assert.deepEqual(hostsToLetGo(release(drained, 'old')), ['a']);
});

test('a host has one machine at a time, and the newest worker of it', () => {
  const first = { ...host('a'), place: 'aa', workerSince: 5 };
  const state = joinHost(emptyPool, first);
  const refusal = (more: object) => refusalOfJoin(state, { ...first, ...more });
  assert.match(refusal({ place: 'bb', workerSince: 9 }) ?? '', /another machine .* 'a', at a\.example/);
  assert.match(refusal({ place: undefined, workerSince: 9 }) ?? '', /another machine/);
  assert.match(refusal({ workerSince: 4 }) ?? '', /newer worker/);
  assert.deepEqual([refusal({}), refusal({ workerSince: 6 })], [undefined, undefined]);
  const gone = leaveHost(state, 'a', NOW);
  assert.equal(refusalOfJoin(gone, { ...first, place: 'bb' }), undefined);
});

test('a pool takes in no more than its continue-as-new can carry', () => {
  let state = poolOf('a');
  let asked = 0;
  const avoid = Array.from({ length: 100 }, (_, index) => `host-${index}`);
  while (hasRoomFor(state, request('next', { avoid }))) {
    state = enqueue(state, request(`r${asked}`, { avoid }), NOW);
    asked += 1;
  }
  assert.ok(asked > 500 && asked < MAX_REQUESTS, String(asked));
  const carried = { state, lookedAt: NOW };
  assert.ok(JSON.stringify(carried).length < 1_500_000);
  assert.deepEqual(parse(readCarriedPool, carried, 'input'), { ok: true, value: carried });
});

function joins(state: PoolState, join: HostJoin) {
  const { jobs, ...worker } = join;
  return adoptJobs(joinHost(state, worker), join, NOW);
}

function lease(requestId: string, names: readonly string[]): Lease {
  const gpuIndices = [0, 1, 2, 3, 4, 5, 6, 7];
  const hosts = names.map((name) => ({ ...host(name), gpuIndices }));
  return { requestId, holder: 'run/stage1', holderSince: 1, token: NOW - 5, hosts };
}

function account(more: Partial<LeaseAccount>): LeaseAccount {
  return { pool: 'default', priority: 0, held: null, request: null, ...more };
}
