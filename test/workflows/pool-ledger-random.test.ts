import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeaseRequest } from '../../contracts/pool.ts';
import { randomNumbers } from '../../sandbox/random.ts';
import {
  emptyPool,
  endHolder,
  enqueue,
  grantNext,
  joinHost,
  loseHost,
  release,
  type PoolState,
} from '../../workflows/pool-ledger.ts';

/** `GLEE_SEED=7 npm test -- pool-ledger` repeats what went wrong. */
const SEED = Number(process.env.GLEE_SEED ?? Date.now() % 1_000_000);
const STEPS = 5000;

test(`whatever ${String(STEPS)} times happens to a pool, its promises hold (GLEE_SEED=${String(SEED)})`, () => {
  const world = newWorld(SEED);
  let grants = 0;
  for (let step = 0; step < STEPS; step += 1) {
    const what = world.happens();
    try {
      grants += world.grantAll();
      world.check();
    } catch (error) {
      throw new Error(`step ${String(step)}, after: ${what}`, { cause: error });
    }
  }
  // Or the promises would hold for lack of anything to promise.
  assert.ok(grants > STEPS / 20, String(grants));
});

/** A pool of up to six hosts, some with four and some with eight GPUs, and eight holders who come and go. */
function newWorld(seed: number) {
  const random = randomNumbers(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const anyHost = () => `host-${String(below(6))}`;
  const asked = new Map<string, LeaseRequest>();
  let state: PoolState = emptyPool;
  let nowMs = 1_000_000;
  let forgottenAt = 0;
  let newestToken = 0;

  const deeds: Readonly<Record<string, () => void>> = {
    join: () => {
      const name = anyHost();
      state = joinHost(state, { name, gpus: name < 'host-4' ? 8 : 4, address: name });
    },
    lose: () => (state = loseHost(state, anyHost())),
    request,
    requestToo: request,
    repeat: () => {
      const known = [...asked.values()][below(asked.size)];
      if (known !== undefined) state = enqueue(state, known);
    },
    release: () => {
      const lease = state.leases[below(state.leases.length)];
      if (lease !== undefined) state = release(state, lease.requestId);
    },
    takeBack: () => {
      const waiting = state.queue[below(state.queue.length)];
      if (waiting !== undefined) state = release(state, waiting.requestId);
    },
    end: () => (state = endHolder(state, `holder-${String(below(8))}`)),
    tick: () => (nowMs += below(1000)),
    setClockBack: () => (nowMs = Math.max(nowMs - below(100), forgottenAt)),
    forgetAll: () => {
      if (below(10) > 0) return;
      // What is promised then leans on the clock: it has passed every token, and is not set back to before that.
      forgottenAt = Math.max(nowMs, newestToken) + 1;
      nowMs = forgottenAt;
      state = emptyPool;
    },
  };

  function request(): void {
    const requestId = `request-${String(asked.size)}`;
    const one: LeaseRequest = {
      requestId,
      holder: `holder-${String(below(8))}`,
      holderSince: Math.floor(asked.size / 50),
      hosts: 1 + below(4),
      gpusPerHost: below(2) === 0 ? 4 : 8,
      avoid: below(3) === 0 ? [anyHost()] : [],
    };
    asked.set(requestId, one);
    state = enqueue(state, one);
  }

  return {
    happens(): string {
      const names = Object.keys(deeds);
      const name = names[below(names.length)] ?? '';
      deeds[name]?.();
      return name;
    },

    /** How many were granted; each as it should be. */
    grantAll(): number {
      for (let grants = 0; ; grants += 1) {
        const before = state;
        const granted = grantNext(before, nowMs);
        const due = firstServable(before);
        const free = due === undefined ? [] : fitting(before, due).filter((name) => !isLeased(before, name));
        if (granted === undefined) {
          assert.ok(due === undefined || free.length < due.hosts, 'a whole gang is free, and nobody gets it');
          return grants;
        }
        const { lease } = granted;
        assert.equal(lease.requestId, due?.requestId, 'the oldest that can be served comes first');
        assert.equal(lease.hosts.length, due?.hosts, 'a gang is whole');
        for (const { name } of lease.hosts)
          assert.ok(free.includes(name), `${name} is there, fits and is free`);
        assert.ok(lease.token > newestToken, 'tokens only grow');
        newestToken = lease.token;
        state = granted.state;
      }
    },

    check(): void {
      const leased = state.leases.flatMap(({ hosts }) => hosts.map(({ name }) => name));
      assert.equal(new Set(leased).size, leased.length, 'no host is granted twice');
      const known = [...state.queue, ...state.leases].map(({ requestId }) => requestId);
      assert.equal(new Set(known).size, known.length, 'a request is there once');
      assert.deepEqual(JSON.parse(JSON.stringify(state)), state, 'the state is plain JSON');
    },
  };
}

function firstServable(state: PoolState): LeaseRequest | undefined {
  return state.queue.find((request) => fitting(state, request).length >= request.hosts);
}

function fitting(state: PoolState, { gpusPerHost }: LeaseRequest): string[] {
  return state.hosts.filter(({ present, gpus }) => present && gpus >= gpusPerHost).map(({ name }) => name);
}

function isLeased({ leases }: PoolState, host: string): boolean {
  return leases.some(({ hosts }) => hosts.some(({ name }) => name === host));
}
