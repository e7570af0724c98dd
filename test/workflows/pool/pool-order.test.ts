import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drainHost, joinHost } from '../../../workflows/pool/pool-hosts.ts';
import { enqueue, release } from '../../../workflows/pool/pool-ledger.ts';
import { askToYield } from '../../../workflows/pool/pool-preemption.ts';
import { grantAll, host, leased, NOW, poolOf, request } from './pools.ts';

const LATER = NOW + 9 * 3_600_000;

test('what is freed for a request goes to a more urgent one that has come meanwhile', () => {
  let state = grantAll(enqueue(poolOf('a'), request('low'), NOW));
  state = enqueue(state, request('urgent', { priority: 5 }), NOW);
  const { asks, state: told } = askToYield(state, NOW);
  assert.deepEqual(
    asks.map(({ ask }) => ask.requestId),
    ['low'],
  );
  const more = enqueue(release(told, 'low'), request('more urgent', { priority: 9 }), NOW);
  assert.deepEqual(leased(grantAll(more)), { a: 'more urgent' });
});

test('a gang that lost a host keeps the effective priority that its lease was granted at', () => {
  let state = grantAll(enqueue(poolOf('a'), request('busy'), NOW));
  state = enqueue(state, request('old'), NOW);
  state = grantAll(release(state, 'busy'), LATER);
  state = enqueue(state, request('newcomer', { priority: 5 }), LATER);
  const again = request('again', { holder: 'holder-of-old', replaces: 'old' });
  assert.deepEqual(leased(grantAll(enqueue(state, again, LATER), LATER)), { a: 'again' });
});

test('a gang that was asked to yield goes behind those that have waited', () => {
  let state = grantAll(enqueue(poolOf('a', 'b'), request('one', { hosts: 2 }), NOW));
  state = enqueue(state, request('waits'), NOW);
  state = askToYield(drainHost(state, { host: 'a', by: 'me', why: 'new NIC' }, LATER), LATER).state;
  const again = request('again', { holder: 'holder-of-one', replaces: 'one' });
  assert.deepEqual(leased(grantAll(enqueue(state, again, LATER), LATER)), { b: 'waits' });
});

test('a holder that is as urgent is not asked, though another one is less so', () => {
  const labels = { zone: 'b' };
  let state = grantAll(enqueue(poolOf('a'), request('low'), NOW));
  state = joinHost(state, { ...host('b'), labels });
  state = grantAll(enqueue(state, request('same', { priority: 1 }), NOW));
  state = enqueue(state, request('waits', { priority: 1, needs: { labels } }), NOW);
  assert.deepEqual(askToYield(state, NOW).asks, []);
});
