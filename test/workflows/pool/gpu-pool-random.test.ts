/**
 * @module 50 hosts and 500 requests of mixed size at random on a real server: hosts leave and come back, are cordoned
 * and quarantined, and holders are terminated.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CONTROL_TASK_QUEUE, poolWorkflowId } from '../../../contracts/ids.ts';
import type { PoolView } from '../../../contracts/pool-view.ts';
import { randomNumbers } from '../../../sandbox/random.ts';
import { blameSignal, clearUpdate, joinSignal } from '../../../workflows/base/messages.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import { heard, poolClient } from '../../support/pool-clients.ts';
import { until } from '../../support/until.ts';

/** `GLEE_SEED=7 npm test -- gpu-pool-random` draws the same again, as far as a real server lets it. */
const SEED = Number(process.env.GLEE_SEED ?? Date.now() % 1_000_000);
const [HOSTS, REQUESTS, HOLDERS] = [50, 500, 25];

const ONE_DECISION = 100;

const leaseSchema = (said: unknown): { requestId: string; token: number; hosts: number } => {
  assert.ok(
    typeof said === 'object' && said !== null && 'requestId' in said && 'token' in said && 'hosts' in said,
  );
  const { requestId, token, hosts } = said;
  assert.ok(typeof requestId === 'string' && typeof token === 'number' && Array.isArray(hosts));
  return { requestId, token, hosts: hosts.length };
};

describe('gpuPool under load', () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it(`keeps its promises with ${HOSTS} hosts and ${REQUESTS} requests (GLEE_SEED=${SEED})`, async () => {
    const random = randomNumbers(SEED);
    const below = (limit: number) => Math.floor(random() * limit);
    const pool = poolClient(lab, 'crowd');
    const hostName = (index: number) => `crowd-${String(index).padStart(2, '0')}`;
    const joinOne = (index: number) =>
      lab.client.workflow.signalWithStart('gpuPool', {
        ...{
          workflowId: poolWorkflowId('crowd'),
          taskQueue: CONTROL_TASK_QUEUE,
          args: [],
          signal: joinSignal,
        },
        signalArgs: [{ name: hostName(index), gpus: 8, address: hostName(index) }],
      });
    // No one serves their queues: half a minute after its join each is lost, and has to come back.
    for (let index = 0; index < HOSTS; index += 1) await joinOne(index);
    const holders = await Promise.all(
      Array.from({ length: HOLDERS }, (_, index) => pool.hold(`crowd/h${index}`)),
    );
    const wanted = new Map<string, number>();
    const terminated = new Set<string>();
    const released = new Set<string>();
    const look = async (): Promise<PoolView> => {
      const view = await pool.view();
      checkView(view, wanted);
      return view;
    };
    const releaseAll = async (view: PoolView, share: number) => {
      const ids = new Set(view.hosts.flatMap(({ leases }) => leases.map(({ requestId }) => requestId)));
      const ending = [...ids].filter((id) => !released.has(id) && random() < share);
      for (const id of ending) released.add(id);
      await Promise.all(ending.map((id) => pool.release(id)));
    };
    while (wanted.size < REQUESTS) {
      const batch = Array.from({ length: 10 }, () => {
        const [requestId, holder] = [`r${wanted.size}`, `crowd/h${below(HOLDERS)}`];
        const hosts = [1, 1, 1, 2, 4, 8][below(6)] ?? 1;
        wanted.set(requestId, hosts);
        const more = { hosts, gpusPerHost: [1, 2, 4, 8][below(4)] ?? 1, priority: below(3) };
        return pool.ask(requestId, holder, more);
      });
      await Promise.all(batch);
      await joinOne(below(HOSTS));
      const host = hostName(below(HOSTS));
      const weight = below(2) === 0 ? 'at once' : 'counts';
      if (below(3) === 0) await pool.pool.signal(blameSignal, { host, holder: 'x', reason: 'test', weight });
      if (below(8) === 0 && terminated.size < HOLDERS / 3) {
        const holder = holders[below(HOLDERS)];
        if (holder !== undefined && !terminated.has(holder.workflowId)) {
          terminated.add(holder.workflowId);
          await holder.terminate();
        }
      }
      await releaseAll(await look(), 0.3);
    }
    // What is over is over: the rest is served as hosts come back and leases end, and who was terminated holds nothing.
    const restore = async () => {
      for (const { name, quarantined } of (await look()).hosts)
        if (quarantined)
          await pool.pool.executeUpdate(clearUpdate, { args: [{ host: name, by: 'me', why: 'test' }] });
      await Promise.all(Array.from({ length: HOSTS }, (_, index) => joinOne(index)));
    };
    await until(
      'the queue to be empty and all leases over',
      async () => {
        await restore();
        const view = await look();
        await releaseAll(view, 1);
        return view.queue.length === 0 && view.hosts.every(({ leases }) => leases.length === 0);
      },
      150_000,
    );
    const grants = (await Promise.all(holders.map((holder) => heard(holder, 'leaseGranted')))).map((said) =>
      said.map(leaseSchema),
    );
    for (const own of grants) {
      for (const { requestId, hosts } of own)
        assert.equal(hosts, wanted.get(requestId), 'no gang is part granted');
      const tokens = own.map(({ token }) => token);
      // Those of one decision are told side by side, and are as many milliseconds apart as there are of them.
      tokens.forEach((token, index) => {
        const before = Math.max(0, ...tokens.slice(0, index));
        assert.ok(token > before - ONE_DECISION, 'tokens grow from decision to decision');
      });
    }
    const all = grants.flat().map(({ token }) => token);
    assert.equal(new Set(all).size, all.length, 'no token is given twice');
    const living = holders.filter(({ workflowId }) => !terminated.has(workflowId)).length;
    assert.ok(all.length > (REQUESTS * living) / HOLDERS / 2, `${all.length} grants`);
  });
});

function checkView({ hosts }: PoolView, wanted: ReadonlyMap<string, number>): void {
  const spread = new Map<string, number>();
  for (const { name, gpus, freeGpus, leases } of hosts) {
    const taken = leases.flatMap(({ gpuIndices }) => gpuIndices);
    assert.equal(new Set(taken).size, taken.length, `no GPU of ${name} is granted twice`);
    assert.equal(freeGpus, gpus - taken.length);
    for (const { requestId } of leases) spread.set(requestId, (spread.get(requestId) ?? 0) + 1);
  }
  for (const [requestId, count] of spread)
    assert.equal(count, wanted.get(requestId), 'no gang is part granted');
}
