import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_POOL_SETTINGS } from '../../../contracts/pool.ts';
import {
  blameHost,
  clearHost,
  drainHost,
  hostsToLetGo,
  joinHost,
  loseHost,
} from '../../../workflows/pool/pool-hosts.ts';
import { enqueue, release } from '../../../workflows/pool/pool-ledger.ts';
import { askToYield } from '../../../workflows/pool/pool-preemption.ts';
import type { PoolState } from '../../../workflows/pool/pool-state.ts';
import { viewPool } from '../../../workflows/pool/pool-view.ts';
import { grantAll, host, leased, NOW, poolOf, request } from './pools.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test('parts of hosts go where they fit best, and eight small ones share a host', () => {
  let state = joinHost(poolOf('a', 'b'), { ...host('c'), gpus: 4 });
  for (let index = 0; index < 8; index += 1)
    state = grantAll(enqueue(state, request(`r${index}`, { gpusPerHost: 1 }), NOW));
  assert.deepEqual(leased(state), {
    c: 'r0 0, r1 1, r2 2, r3 3',
    a: 'r4 0, r5 1, r6 2, r7 3',
  });
});

test('a blocked head is passed only by what it could not use', () => {
  let state = joinHost(poolOf('a', 'b'), { ...host('c'), gpus: 4 });
  state = grantAll(enqueue(state, request('busy'), NOW));
  state = enqueue(state, request('head', { hosts: 2 }), NOW);
  state = enqueue(state, request('whole'), NOW);
  state = enqueue(state, request('part', { gpusPerHost: 4 }), NOW);
  assert.deepEqual(leased(grantAll(state)), { a: 'busy', c: 'part' });
});

test('more urgent goes first, and who has waited long enough before it', () => {
  const state = enqueue(poolOf('a'), request('old'), NOW);
  const later = NOW + 2 * HOUR;
  assert.deepEqual(leased(grantAll(enqueue(state, request('urgent', { priority: 3 }), later), later)), {
    a: 'urgent',
  });
  assert.deepEqual(leased(grantAll(enqueue(state, request('urgent', { priority: 1 }), later), later)), {
    a: 'old',
  });
});

test('a gang that lost a host keeps its healthy ones, before others that have waited long', () => {
  let state = grantAll(enqueue(poolOf('a', 'b', 'c'), request('one', { hosts: 2 }), NOW));
  state = enqueue(state, request('waiting', { hosts: 3 }), NOW);
  const later = NOW + 9 * HOUR;
  const again = request('again', { hosts: 2, holder: 'holder-of-one', replaces: 'one', avoid: ['a'] });
  assert.deepEqual(leased(grantAll(enqueue(state, again, later), later)), { b: 'again', c: 'again' });
});

test('a team at its quota waits and holds up no one else', () => {
  const settings = { ...DEFAULT_POOL_SETTINGS, quotas: { vision: 8 } };
  let state: PoolState = { ...poolOf('a', 'b'), settings };
  for (const id of ['one', 'two']) state = enqueue(state, request(id, { team: 'vision' }), NOW);
  state = grantAll(enqueue(state, request('other', { team: 'video' }), NOW));
  assert.deepEqual(leased(state), { a: 'one', b: 'other' });
  assert.deepEqual(waitsFor(state), ['team vision is at its quota of 8 GPUs']);
});

test('what a request waits for is said in words', () => {
  let state = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 2 }), NOW));
  state = enqueue(state, request('two', { hosts: 2 }), NOW);
  state = enqueue(state, request('zone', { needs: { labels: { zone: 'b' } } }), NOW);
  state = enqueue(state, request('many', { hosts: 3 }), NOW);
  assert.deepEqual(waitsFor(state), [
    '2 more hosts with 8 GPUs: a, b are leased to holder-of-one',
    'no host has label zone=b',
    '1 more host with 8 GPUs: the pool has 2 of 3',
  ]);
});

test('the least urgent and newest holders are asked to yield, no more than are needed, and once', () => {
  let state = poolOf('a', 'b', 'c');
  for (const [id, priority] of [
    ['old', 0],
    ['important', 5],
    ['new', 0],
  ] as const)
    state = grantAll(enqueue(state, request(id, { priority }), NOW));
  state = enqueue(state, request('urgent', { priority: 9 }), NOW);
  const first = askToYield(state, NOW);
  assert.deepEqual(first.asks, [
    {
      holder: 'holder-of-new',
      ask: { requestId: 'new', why: 'holder-of-urgent is more urgent (priority 9)', withinMs: 10 * MINUTE },
    },
  ]);
  assert.deepEqual(askToYield(first.state, NOW + 19 * MINUTE).asks, []);
  assert.deepEqual(asked(askToYield(first.state, NOW + 20 * MINUTE).asks), ['new']);
  assert.deepEqual(leased(grantAll(release(first.state, 'new'))), { a: 'old', b: 'important', c: 'urgent' });
});

test('no one is asked in vain: not when it would not do, and not by what is no more urgent', () => {
  let state = grantAll(enqueue(poolOf('a', 'b'), request('one', { priority: 1 }), NOW));
  state = grantAll(enqueue(state, request('two', { priority: 7 }), NOW));
  assert.deepEqual(askToYield(enqueue(state, request('both', { priority: 5, hosts: 2 }), NOW), NOW).asks, []);
  assert.deepEqual(askToYield(enqueue(state, request('same', { priority: 1 }), NOW), NOW).asks, []);
  assert.deepEqual(asked(askToYield(enqueue(state, request('more', { priority: 2 }), NOW), NOW).asks), [
    'one',
  ]);
});

test('a request that only its age puts first keeps no one behind it from asking others to yield', () => {
  const later = NOW + 12 * HOUR;
  let state = grantAll(enqueue(poolOf('a', 'b', 'c'), request('low', { hosts: 2 }), NOW));
  state = enqueue(state, request('aged', { hosts: 3 }), NOW);
  state = grantAll(enqueue(state, request('urgent', { priority: 10, hosts: 2 }), later), later);
  const { asks, state: told } = askToYield(state, later);
  assert.deepEqual(asked(asks), ['low']);
  // What was free before stays with the aged one, and what is freed is the urgent one's.
  assert.deepEqual(leased(grantAll(told, later)), { a: 'low', b: 'low' });
  const freed = grantAll(release(told, 'low'), later);
  assert.deepEqual(leased(freed), { a: 'urgent', b: 'urgent' });
  assert.deepEqual(leased(grantAll(release(freed, 'urgent'), later)), { a: 'aged', b: 'aged', c: 'aged' });
});

test('no one is asked for a request where a sooner one that is as urgent would take what is freed', () => {
  let state = grantAll(enqueue(poolOf('a', 'b'), request('low'), NOW));
  state = grantAll(enqueue(state, request('lower', { priority: 6 }), NOW));
  // It could use both hosts, and may have only one of them freed.
  state = enqueue(state, request('big', { hosts: 2, priority: 5 }), NOW);
  state = enqueue(state, request('small', { priority: 5 }), NOW);
  assert.deepEqual(askToYield(state, NOW).asks, []);
});

test('a host that is drained gets nothing, its holders are asked to yield, and it may leave when it is free', () => {
  let state = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 2 }), NOW));
  state = drainHost(state, { host: 'a', by: 'me', why: 'new NIC' }, NOW);
  const { asks, state: told } = askToYield(state, NOW);
  assert.deepEqual(
    asks.map(({ ask }) => ask.why),
    ['a is drained: new NIC'],
  );
  assert.deepEqual(hostsToLetGo(told), []);
  const again = request('again', { holder: 'holder-of-one', replaces: 'one' });
  const moved = grantAll(enqueue(told, again, NOW));
  assert.deepEqual(leased(moved), { b: 'again' });
  assert.deepEqual(hostsToLetGo(moved), ['a']);
  const back = joinHost(release(moved, 'again'), { ...host('b'), leaving: 'SIGTERM' });
  assert.deepEqual(hostsToLetGo(back), ['a', 'b']);
  assert.deepEqual(leased(grantAll(enqueue(joinHost(back, host('b')), request('new'), NOW))), { b: 'new' });
});

test('a fault sets a host aside at once, bad luck at the third time in a day, until someone clears it', () => {
  const blame = { host: 'a', holder: 'run/stage1', reason: 'Xid 79' };
  const aside = (state: PoolState) => viewPool(state, NOW).hosts[0]?.quarantined?.reason;
  assert.equal(aside(blameHost(poolOf('a'), { ...blame, weight: 'at once' }, NOW)), 'Xid 79 (run/stage1)');
  let state = grantAll(enqueue(poolOf('a'), request('one'), NOW));
  state = blameHost(state, { ...blame, weight: 'counts' }, NOW);
  state = joinHost(loseHost(state, 'a', NOW + HOUR), host('a'));
  assert.equal(aside(state), undefined);
  assert.equal(aside(blameHost(state, { ...blame, weight: 'counts' }, NOW + 26 * HOUR)), undefined);
  const third = joinHost(blameHost(state, { ...blame, weight: 'counts' }, NOW + 2 * HOUR), host('a'));
  assert.match(
    aside(third) ?? '',
    /^3 failures in a day: Xid 79 .*lost while it was leased to holder-of-one; Xid 79/,
  );
  assert.equal(aside(clearHost(third, { host: 'a', by: 'me', why: 'mended' })), undefined);
});

test('a stage of a week loses only the yields themselves to a job that comes every hour of a day', () => {
  const [yieldTakes, jobTakes, week] = [2 * MINUTE, 5 * MINUTE, 7 * 24 * 60];
  let state = grantAll(enqueue(poolOf('a', 'b'), request('stage', { hosts: 2 }), NOW));
  let [trained, letGoAt, jobEndsAt, jobs, minute] = [0, Infinity, Infinity, 0, 0];
  for (; trained < week; minute += 1) {
    const now = NOW + minute * MINUTE;
    if (minute % 60 === 30 && minute < 24 * 60)
      state = enqueue(
        state,
        request(`job${minute}`, { hosts: 2, priority: 10, holderSince: minute, holder: 'job' }),
        now,
      );
    if (now >= letGoAt) {
      const replaces = state.leases.find(({ holder }) => holder === 'holder-of-stage')?.requestId ?? '';
      const more = { hosts: 2, holder: 'holder-of-stage', replaces };
      state = enqueue(state, request(`stage${minute}`, more), now);
      letGoAt = Infinity;
    }
    if (now >= jobEndsAt) {
      state = release(state, state.leases.find(({ holder }) => holder === 'job')?.requestId ?? '');
      jobEndsAt = Infinity;
    }
    const before = state.leases.length;
    state = grantAll(state, now);
    const [lease] = state.leases;
    assert.equal(state.leases.length, 1, `someone trains in minute ${minute}`);
    if (before === 0 && lease?.holder === 'job') [jobEndsAt, jobs] = [now + jobTakes, jobs + 1];
    const { state: told, asks } = askToYield(state, now);
    state = told;
    if (asks.length > 0) letGoAt = now + yieldTakes;
    if (lease?.holder === 'holder-of-stage' && letGoAt === Infinity) trained += 1;
  }
  assert.equal(jobs, 24);
  const lost = minute - week - (jobs * jobTakes) / MINUTE;
  assert.equal(lost, (jobs * yieldTakes) / MINUTE);
});

function waitsFor(state: PoolState): string[] {
  return viewPool(state, NOW).queue.map((one) => one.waitsFor);
}

function asked(asks: ReturnType<typeof askToYield>['asks']): string[] {
  return asks.map(({ ask }) => ask.requestId);
}

test('three requests that wait for each other do not leave a host idle', () => {
  const later = NOW + 4 * HOUR;
  let state = grantAll(enqueue(poolOf('a'), request('held'), NOW));
  state = enqueue(state, request('aged'), NOW);
  state = enqueue(state, request('asks', { priority: 1 }), later);
  state = askToYield(state, later).state;
  assert.deepEqual(state.queue.find(({ requestId }) => requestId === 'asks')?.claims, ['a']);
  // It is behind the one that is aged, which may not have what is freed for the second, which may not pass this one.
  state = enqueue(state, request('urgent', { priority: 2 }), later);
  assert.deepEqual(leased(grantAll(release(state, 'held'), later)), { a: 'aged' });
});

test('two requests that wait for each other, one for a claim and one for their quota, do not leave a host idle', () => {
  const settings = { ...DEFAULT_POOL_SETTINGS, quotas: { vision: 8 } };
  let state: PoolState = grantAll(enqueue({ ...poolOf('a'), settings }, request('held'), NOW));
  state = enqueue(state, request('older', { team: 'vision' }), NOW);
  const half = NOW + HOUR / 2;
  state = enqueue(state, request('asks', { team: 'vision', priority: 1 }), half);
  state = askToYield(state, half).state;
  assert.deepEqual(state.queue.find(({ requestId }) => requestId === 'asks')?.claims, ['a']);
  // The older one has as much effective priority now, so the quota is its own first.
  assert.deepEqual(leased(grantAll(release(state, 'held'), NOW + HOUR)), { a: 'older' });
});

test('what is freed for a request is kept from those that only their age puts first, until all have answered', () => {
  const later = NOW + 4 * HOUR;
  let state = enqueue(poolOf('a', 'b'), request('first'), NOW);
  state = grantAll(enqueue(state, request('second'), NOW));
  state = enqueue(state, request('aged'), NOW);
  state = enqueue(state, request('asks', { priority: 1 }), later);
  state = askToYield(state, later).state;
  const answers = state.leases.find(({ asked }) => asked !== undefined)?.requestId ?? '';
  const silent = answers === 'first' ? 'second' : 'first';
  state = askToYield(enqueue(state, request('urgent', { priority: 2, hosts: 2 }), later), later).state;
  state = release(state, answers);
  assert.deepEqual(Object.values(leased(grantAll(state, later))), [silent]);
  const tooLate = later + 2 * state.settings.yieldWithinMs;
  assert.deepEqual(Object.values(leased(grantAll(state, tooLate))).sort(), ['aged', silent].sort());
});

test('of two that could ask, the less urgent one waits until the other has its answers', () => {
  const later = NOW + 2 * HOUR;
  let state = poolOf('a', 'b');
  state = { ...state, hosts: state.hosts.map((one) => ({ ...one, labels: { zone: one.name } })) };
  state = grantAll(enqueue(state, request('on-a', { priority: 1 }), NOW));
  state = grantAll(enqueue(state, request('on-b'), NOW));
  // It goes first by its age, but may ask for b only, which is not enough before someone else has asked for a.
  state = enqueue(state, request('large', { priority: 1, hosts: 2 }), NOW);
  state = enqueue(state, request('urgent', { priority: 2, needs: { labels: { zone: 'a' } } }), later);
  const { state: told, asks } = askToYield(state, later);
  const asked = asks.map(({ holder }) => holder);
  assert.deepEqual(asked, ['holder-of-on-a']);
  assert.deepEqual(askToYield(told, later).asks, []);
});
