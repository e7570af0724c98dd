import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from '../../../contracts/parsing.ts';
import type { LeasedHost } from '../../../contracts/pool.ts';
import { readCarriedPool } from '../../../workflows/pool/carried-pool.ts';
import type {
  CarriedPool,
  HeldLease,
  PoolHost,
  PoolState,
  Waiting,
} from '../../../workflows/pool/pool-state.ts';

/** `Required`: a field that is added to the state is added here, or this does not compile. */
const leasedHost: Required<LeasedHost> = {
  ...{ name: 'a', gpus: 8, address: 'a.example', gpuMemoryMiB: 40_000, labels: { zone: 'b' } },
  ...{ pretend: true, leaving: 'SIGTERM', place: 'abc1', workerSince: 6, gpuIndices: [2, 3] },
};
const { gpuIndices, ...offered } = leasedHost;
const host: Required<PoolHost> = {
  ...offered,
  ...{ present: false, absentSince: 7, letGo: true },
  quarantined: { reason: 'two failures', since: 8 },
  cordoned: { by: 'me', why: 'a cable', since: 9 },
  draining: { by: 'you', why: 'a card', since: 10 },
  strikes: [{ at: 11, reason: 'lost' }],
};
const lease: Required<HeldLease> = {
  ...{ requestId: 'one', holder: 'run/stage1', holderSince: 1, hosts: [leasedHost], token: 12 },
  ...{ rank: 3, arrivedAt: 13, grantedAt: 14, team: 'vision', adopted: true },
  asked: { at: 15, why: 'more urgent', sakeOf: 'two' },
};
const waiting: Required<Waiting> = {
  ...{ requestId: 'two', holder: 'run/stage2', holderSince: 2, hosts: 1, gpusPerHost: 2, avoid: ['b'] },
  ...{ priority: 5, team: 'video', needs: { gpuMemoryMiB: 1, labels: { zone: 'b' } }, replaces: 'zero' },
  ...{ arrivedAt: 16, waitingSince: 17, rank: 4, keepsPlace: true, claims: ['a'], before: [leasedHost] },
};
const state: Required<PoolState> = {
  ...{ hosts: [host], leases: [lease], queue: [waiting], lastToken: 18, problem: 'no such team' },
  settings: { heartbeatTimeoutMs: 1, ageAfterMs: 2, yieldWithinMs: 3, strikes: 4, quotas: { vision: 8 } },
};

test('all that a pool knows crosses its continue-as-new, and when it last asked whether holders run', () => {
  const carried: CarriedPool = { state, lookedAt: 19 };
  const sent: unknown = JSON.parse(JSON.stringify(carried));
  assert.deepEqual(parse(readCarriedPool, sent, 'input'), { ok: true, value: carried });
});
