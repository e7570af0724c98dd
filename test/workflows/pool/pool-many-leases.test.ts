import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from '../../../contracts/parsing.ts';
import type { LeaseRequest } from '../../../contracts/pool.ts';
import { randomNumbers } from '../../../sandbox/random.ts';
import { readCarriedPool } from '../../../workflows/pool/carried-pool.ts';
import { enqueue, grant, release } from '../../../workflows/pool/pool-ledger.ts';
import { askToYield } from '../../../workflows/pool/pool-preemption.ts';
import type { PoolState } from '../../../workflows/pool/pool-state.ts';
import { viewPool } from '../../../workflows/pool/pool-view.ts';
import { poolOf } from './pools.ts';

const LEASES = 100_000;
/** So many hold or wait at a time. */
const RUNS = 60;
const HOSTS = Array.from({ length: 50 }, (_, index) => `host-${index}`);
const SIZES = [
  [1, 1],
  [1, 4],
  [1, 8],
  [2, 8],
  [4, 8],
] as const;

test(`what a pool remembers, and the time of its decisions, do not grow with ${LEASES.toLocaleString('en')} leases`, (t) => {
  const random = randomNumbers(7);
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)];
  let state: PoolState = poolOf(...HOSTS);
  let [nowMs, asked, granted] = [1_000_000, 0, 0];
  const sizes: number[] = [];
  const decisions: number[] = [];
  const views: number[] = [];
  while (granted < LEASES) {
    nowMs += 1000;
    const began = performance.now();
    while (state.leases.length + state.queue.length < RUNS) state = enqueue(state, request(), nowMs);
    const next = grant(state, nowMs);
    assert.ok(next.granted.every(({ token }) => token > state.lastToken));
    granted += next.granted.length;
    state = askToYield(next.state, nowMs).state;
    decisions.push(performance.now() - began);
    for (let ends = 0; ends < 5; ends += 1) state = release(state, pick(state.leases)?.requestId ?? '');
    if (decisions.length % 100 !== 0) continue;
    // As a continue-as-new does, and a query.
    const carried = JSON.stringify({ state, lookedAt: nowMs });
    sizes.push(carried.length);
    const parsed = parse(readCarriedPool, JSON.parse(carried), 'input');
    assert.ok(parsed.ok, JSON.stringify(parsed));
    state = parsed.value.state;
    const looked = performance.now();
    viewPool(state, nowMs);
    views.push(performance.now() - looked);
  }
  const [early, late] = [sizes.slice(0, 10), sizes.slice(-10)].map((some) => Math.max(...some));
  t.diagnostic(
    `${granted} leases of ${asked} requests; state ${early} bytes early, ${late} late, ${Math.max(...sizes)} at most; a decision ${median(decisions).toFixed(2)} ms, a view ${median(views).toFixed(2)} ms (medians)`,
  );
  assert.ok(Math.max(...sizes) < 100_000);
  const half = decisions.length / 2;
  const [first, second] = [median(decisions.slice(0, half)), median(decisions.slice(half))];
  assert.ok(second < 3 * first, `a decision took ${first} ms, then ${second} ms`);

  function request(): LeaseRequest {
    const id = `r${(asked += 1)}`;
    const [hosts, gpusPerHost] = pick(SIZES) ?? [1, 1];
    const priority = Math.floor(random() * 5);
    return {
      requestId: id,
      holder: `run-${id}/stage1`,
      holderSince: nowMs,
      hosts,
      gpusPerHost,
      avoid: [],
      priority,
    };
  }
});

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
