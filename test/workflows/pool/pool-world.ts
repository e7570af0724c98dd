/**
 * @module A pool in which anything happens at random, and what it has promised is looked at after each step. The
 * promises are computed here in a way of their own, slow and plain.
 */
import assert from 'node:assert/strict';
import {
  DEFAULT_POOL_SETTINGS,
  type Lease,
  type LeaseAccount,
  type LeaseRequest,
  type PoolSettings,
} from '../../../contracts/pool.ts';
import { randomNumbers } from '../../../sandbox/random.ts';
import { adoptAccounts, adoptJobs } from '../../../workflows/pool/pool-adoption.ts';
import {
  blameHost,
  clearHost,
  cordonHost,
  drainHost,
  forgetHosts,
  joinHost,
  leaveHost,
  loseHost,
  uncordonHost,
} from '../../../workflows/pool/pool-hosts.ts';
import { endHolder, enqueue, grant, release, reprioritise } from '../../../workflows/pool/pool-ledger.ts';
import { askToYield } from '../../../workflows/pool/pool-preemption.ts';
import { emptyPool, type PoolState } from '../../../workflows/pool/pool-state.ts';
import { viewPool } from '../../../workflows/pool/pool-view.ts';
import { checkNothingIdle, checkWhole, effective, idleHosts } from './pool-promises.ts';

export const SETTINGS: PoolSettings = { ...DEFAULT_POOL_SETTINGS, quotas: { vision: 24, video: 60 } };

export interface WorldSize {
  readonly hosts: number;
  /** So many at most, over its time. */
  readonly requests: number;
}

export function newWorld(seed: number, size: WorldSize) {
  const random = randomNumbers(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(values: readonly T[]): T | undefined => values[below(values.length)];
  const asked = new Map<string, LeaseRequest>();
  const seen = { grants: 0, asks: 0, quarantines: 0, blocked: 0, adopted: 0 };
  let nowMs = 1_000_000;
  let newestToken = 0;
  let forgottenAt = 0;
  let state: PoolState = { ...emptyPool, settings: SETTINGS };
  for (let index = 0; index < size.hosts; index += 1) join(index);

  /** @param living Leases that are in use. */
  function join(index: number, living: PoolState['leases'] = []): void {
    const labels = { zone: index % 5 === 0 ? 'b' : 'a' };
    const name = `host-${String(index).padStart(2, '0')}`;
    const host = { name, gpus: index % 7 === 0 ? 4 : 8, address: name, labels };
    const jobs = living.flatMap(({ requestId, holder, token, hosts }) => {
      const own = hosts.find((one) => one.name === name);
      return own === undefined ? [] : [{ requestId, holder, token, gpuIndices: own.gpuIndices ?? [] }];
    });
    state = adoptJobs(joinHost(state, host), { ...host, jobs }, nowMs).state;
  }

  function request(more: Partial<LeaseRequest> = {}): void {
    if (asked.size >= size.requests) return;
    const requestId = `request-${asked.size}`;
    const one: LeaseRequest = {
      requestId,
      holder: `holder-${below(120)}`,
      holderSince: Math.floor(asked.size / 100),
      hosts: pick([1, 1, 1, 2, 4, 8, 16, 60]) ?? 1,
      gpusPerHost: pick([1, 2, 4, 8]) ?? 1,
      avoid: below(4) === 0 ? [anyHost()] : [],
      priority: pick([0, 0, 0, 1, 2, 10]) ?? 0,
      ...(below(3) === 0 && { team: pick(['vision', 'video', 'text']) ?? 'text' }),
      ...(below(6) === 0 && { needs: { labels: { zone: 'b' } } }),
      ...more,
    };
    asked.set(requestId, one);
    state = enqueue(state, one, nowMs);
  }

  const anyHost = () => pick(state.hosts)?.name ?? '';
  const anyRequest = () => pick([...state.queue, ...state.leases])?.requestId ?? '';
  const order = () => ({ host: anyHost(), by: 'me', why: 'a test' });
  const kinds: readonly (readonly [string, number, () => void])[] = [
    ['join', 8, () => join(below(size.hosts))],
    ['leave', 2, () => (state = leaveHost(state, anyHost(), nowMs))],
    ['lose', 4, () => (state = loseHost(state, anyHost(), nowMs))],
    ['request', 30, () => request()],
    ['ask again', 3, () => (state = again(pick([...asked.values()])))],
    ['release', 14, () => (state = release(state, pick(state.leases)?.requestId ?? ''))],
    ['take back', 1, () => (state = release(state, pick(state.queue)?.requestId ?? ''))],
    ['replace', 6, () => replace(pick(state.leases))],
    ['yield', 20, () => replace(pick(state.leases.filter((lease) => lease.asked)))],
    ['priority', 4, () => (state = reprioritise(state, anyRequest(), below(4)))],
    ['end', 4, () => (state = endHolder(state, `holder-${below(120)}`))],
    ['blame', 1, () => (state = blameHost(state, { ...blame(), weight: 'at once' }, nowMs))],
    ['strike', 3, () => (state = blameHost(state, { ...blame(), weight: 'counts' }, nowMs))],
    ['clear', 4, () => (state = clearHost(state, order()))],
    ['cordon', 2, () => (state = cordonHost(state, order(), nowMs))],
    ['drain', 2, () => (state = drainHost(state, order(), nowMs))],
    ['uncordon', 6, () => (state = uncordonHost(state, order()))],
    ['forget hosts', 1, () => (state = forgetHosts(state, nowMs))],
    ['minutes pass', 20, () => (nowMs += below(20 * 60_000))],
    ['clock set back', 1, () => (nowMs = Math.max(nowMs - below(1000), forgottenAt))],
    ['pool again', 0.1, forgetAll],
    ['pool again while jobs live', 2, forgetAndAdopt],
  ];

  function blame() {
    return { host: anyHost(), holder: 'someone', reason: 'a test' };
  }

  function again(request: LeaseRequest | undefined): PoolState {
    return request === undefined ? state : enqueue(state, request, nowMs);
  }

  function replace(lease: PoolState['leases'][number] | undefined): void {
    const before = lease && asked.get(lease.requestId);
    if (before === undefined) return;
    const avoid = below(2) === 0 ? [pick(lease?.hosts ?? [])?.name ?? ''] : [];
    request({ ...before, requestId: `request-${asked.size}`, replaces: before.requestId, avoid });
  }

  /** What is promised then leans on the clock: it has passed every token, and is not set back to before that. */
  function forgetAll(): void {
    forgottenAt = Math.max(nowMs, newestToken) + 1;
    nowMs = forgottenAt;
    state = { ...emptyPool, settings: SETTINGS };
    for (let index = 0; index < size.hosts; index += 1) join(index);
  }

  /** Some leases are told by their holders, all by the hosts on which they are in use; some hosts join late. */
  function forgetAndAdopt(): void {
    const { leases, queue } = state;
    forgetAll();
    state = { ...emptyPool, settings: SETTINGS };
    const told = leases.filter(() => below(2) === 0).map(({ requestId }) => requestId);
    const accounts = leases.flatMap((lease): LeaseAccount[] =>
      told.includes(lease.requestId)
        ? [{ pool: 'p', priority: lease.rank, held: lease, request: null, ...teamOf(lease) }]
        : [],
    );
    for (const { holder, priority = 0, ...request } of queue)
      accounts.push({ pool: 'p', priority, held: null, request: { holder, priority, ...request } });
    const adopts = [
      () => (state = adoptAccounts(state, accounts, nowMs).state),
      ...Array.from({ length: size.hosts }, (_, index) => () => join(index, leases)),
    ];
    for (const adopt of adopts.sort(() => random() - 0.5)) adopt();
    seen.adopted += leases.length;
    const held = (all: typeof leases) =>
      all.flatMap(({ requestId, hosts }) =>
        hosts.map(({ name, gpuIndices = [] }) => `${requestId} ${name} ${gpuIndices.join()}`),
      );
    // A request ends what its holder held under an earlier start, and what it replaces.
    const isOver = ({ requestId, holder, holderSince }: Lease) =>
      queue.some(
        (one) => one.holder === holder && (one.holderSince > holderSince || one.replaces === requestId),
      );
    const known = new Set(held(state.leases));
    for (const lease of held(leases.filter((one) => !isOver(one))))
      assert.ok(known.has(lease), `a pool that was started again does not know ${lease}`);
    for (const { token } of leases) assert.ok(state.lastToken >= token);
  }

  function teamOf({ team }: { readonly team?: string }) {
    return team === undefined ? {} : { team };
  }

  return {
    seen,
    state: () => state,
    now: () => nowMs,

    happens(): string {
      const all = kinds.reduce((sum, [, weight]) => sum + weight, 0);
      let drawn = random() * all;
      for (const [name, weight, work] of kinds) {
        drawn -= weight;
        if (drawn > 0) continue;
        work();
        return name;
      }
      return 'nothing';
    },

    /** As the workflow does, and a look at each promise. */
    decide(): void {
      const before = state;
      const { state: after, granted } = grant(state, nowMs);
      for (const lease of granted) {
        const wanted = before.queue.find(({ requestId }) => requestId === lease.requestId);
        assert.ok(wanted !== undefined, 'what is granted was asked for');
        checkWhole(before, wanted, lease);
        assert.ok(lease.token > newestToken, 'tokens only grow');
        newestToken = lease.token;
      }
      const taken = after.leases.flatMap(({ hosts }) =>
        hosts.flatMap(({ name, gpuIndices = [] }) => gpuIndices.map((index) => `${name}/${index}`)),
      );
      assert.equal(new Set(taken).size, taken.length, 'no GPU is granted twice');
      const ids = [...after.queue, ...after.leases].map(({ requestId }) => requestId);
      assert.equal(new Set(ids).size, ids.length, 'a request is there once');
      checkNothingIdle(after, nowMs);
      const { state: told, asks } = askToYield(after, nowMs);
      for (const { ask } of asks) checkAsk(after, ask.requestId, ask.why);
      assert.deepEqual(askToYield(told, nowMs).asks, [], 'no one is asked twice');
      assert.deepEqual(JSON.parse(JSON.stringify(told)), told, 'the state is plain JSON');
      state = told;
      const view = viewPool(state, nowMs);
      assert.ok(view.queue.every(({ waitsFor }) => waitsFor !== '' && !waitsFor.startsWith('nothing')));
      seen.grants += granted.length;
      seen.asks += asks.length;
      seen.quarantines += Number(state.hosts.some(({ quarantined }) => quarantined));
      seen.blocked += Number(view.queue.some(({ waitsFor }) => waitsFor.includes('leased to')));
    },

    /** When nothing more happens but that holders end, all that can be served is served. */
    settle(): void {
      for (let index = 0; index < size.hosts; index += 1) {
        join(index);
        const one = { host: `host-${String(index).padStart(2, '0')}`, by: 'me', why: 'a test' };
        state = uncordonHost(clearHost(state, one), one);
      }
      for (let round = 0; round < size.requests && state.queue.length > 0; round += 1) {
        this.decide();
        const [oldest] = state.leases;
        if (oldest === undefined) break;
        state = release(state, oldest.requestId);
        nowMs += 60_000;
      }
      this.decide();
      const left = state.queue.filter(({ hosts }) => hosts <= size.hosts);
      const possible = left.filter((one) => idleHosts(state)(one).all >= one.hosts && !isTooMuch(one));
      assert.deepEqual(possible, [], 'all that could be served was served');
    },
  };

  function checkAsk(pool: PoolState, requestId: string, why: string): void {
    const lease = pool.leases.find((one) => one.requestId === requestId);
    assert.ok(lease !== undefined, 'who is asked holds a lease');
    if (why.includes('is drained')) return;
    const urgent = pool.queue.filter(({ priority = 0 }) => priority > lease.rank);
    assert.ok(urgent.length > 0, 'only for something more urgent is one asked to yield');
    const least = Math.min(...urgent.map((one) => effective(one, SETTINGS, nowMs)));
    assert.ok(least > lease.rank);
  }

  function isTooMuch({ team = '', hosts, gpusPerHost }: LeaseRequest): boolean {
    return hosts * gpusPerHost > (SETTINGS.quotas[team] ?? Infinity);
  }
}
