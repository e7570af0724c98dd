import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endHolder, enqueue, grant, release } from '../../../workflows/pool/pool-ledger.ts';
import { askToYield } from '../../../workflows/pool/pool-preemption.ts';
import type { PoolState } from '../../../workflows/pool/pool-state.ts';
import { newWorld } from './pool-world.ts';
import { poolOf } from './pools.ts';

/** `GLEE_SEED=7 npm test -- pool-ledger` repeats what went wrong. */
const SEED = Number(process.env.GLEE_SEED ?? Date.now() % 1_000_000);
const STEPS = 2000;
const REQUESTS = 500;
const MINUTE = 60_000;
const EIGHT_HOSTS = poolOf('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');

test(`whatever ${STEPS} times happens to 50 hosts and ${REQUESTS} requests, the promises hold (GLEE_SEED=${SEED})`, () => {
  const world = newWorld(SEED, { hosts: 50, requests: REQUESTS });
  for (let step = 0; step < STEPS; step += 1) {
    const what = world.happens();
    try {
      world.decide();
    } catch (error) {
      throw new Error(`step ${step}, after: ${what}`, { cause: error });
    }
  }
  // Or the promises would hold for lack of anything to promise.
  const { grants, asks, quarantines, blocked, adopted } = world.seen;
  assert.ok(grants > REQUESTS / 2, `only ${grants} grants`);
  for (const count of [asks, quarantines, blocked, adopted]) assert.ok(count > 0, JSON.stringify(world.seen));
  world.settle();
});

test('no one starves: a large and unimportant request is served among small and important ones without end', () => {
  let state: PoolState = EIGHT_HOSTS;
  let nowMs = 1_000_000;
  const big = { requestId: 'big', holder: 'big', holderSince: 0, hosts: 8, gpusPerHost: 8, avoid: [] };
  state = enqueue(state, { ...big, priority: -3 }, nowMs);
  for (let round = 0; round < 48 * 60; round += 1) {
    nowMs += MINUTE;
    const one = {
      ...big,
      requestId: `r${round}`,
      holder: `r${round}`,
      hosts: 1,
      priority: 5,
    };
    state = enqueue(state, one, nowMs);
    state = grant(state, nowMs).state;
    state = askToYield(state, nowMs).state;
    const [done] = state.leases.filter(
      ({ holder, grantedAt }) => holder !== 'big' && nowMs - grantedAt > 8 * MINUTE,
    );
    if (done !== undefined) state = release(state, done.requestId);
    if (state.leases.some(({ holder }) => holder === 'big')) break;
  }
  const waitedHours = (nowMs - 1_000_000) / 3_600_000;
  assert.ok(
    state.leases.some(({ holder }) => holder === 'big'),
    'it was never served',
  );
  // Eight priorities at an hour each, and what is in the way when its turn has come.
  assert.ok(waitedHours > 7 && waitedHours < 10, `${waitedHours} h`);
});

test('two jobs of eight hosts never block each other on eight hosts, however their requests come', () => {
  const job = (name: string) => ({
    ...{ requestId: name, holder: name.slice(0, 1), holderSince: 0, hosts: 8, gpusPerHost: 8, avoid: [] },
  });
  let state: PoolState = EIGHT_HOSTS;
  for (let round = 0; round < 200; round += 1) {
    const names = [`a${round}`, `b${round}`];
    for (const name of round % 2 === 0 ? names : names.toReversed()) state = enqueue(state, job(name), round);
    for (let served = 0; served < 2; served += 1) {
      state = grant(state, round).state;
      assert.equal(state.leases.length, 1, 'one of them trains on all hosts');
      state =
        round % 3 === 0
          ? endHolder(state, state.leases[0]?.holder ?? '')
          : release(state, state.leases[0]?.requestId ?? '');
    }
    assert.equal(state.queue.length, 0);
  }
});
