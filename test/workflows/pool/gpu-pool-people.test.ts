/**
 * @module What people, urgent requests and faults do to the pool, on a real server.
 */
import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import {
  blameSignal,
  clearUpdate,
  cordonUpdate,
  drainUpdate,
  joinSignal,
  reloadUpdate,
  uncordonUpdate,
} from '../../../workflows/base/messages.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import { heard, poolClient } from '../../support/pool-clients.ts';
import { setScene } from '../../support/scene.ts';
import { until } from '../../support/until.ts';

const said = { by: 'me', why: 'a test' };

describe('gpuPool and people', { concurrency: true }, () => {
  let lab: Lab;
  let configDirectory: string;
  before(async () => {
    configDirectory = await mkdtemp(joinPath(tmpdir(), 'glee-pools-'));
    await mkdir(joinPath(configDirectory, 'pools'));
    lab = await startLab({ configDirectory });
  });
  after(async () => {
    await lab.stop();
    await rm(configDirectory, { recursive: true, force: true });
  });

  it('lets two small jobs share a host, each told which GPUs are its own', async (t) => {
    const { run } = await setScene(lab, t, { hosts: ['host-a'] });
    const pool = poolClient(lab, run);
    const holder = await pool.hold(`${run}/h`);
    for (const id of ['one', 'two']) await pool.ask(id, `${run}/h`, { gpusPerHost: 1 });
    await until('both grants', async () => (await heard(holder, 'leaseGranted')).length === 2);
    const [host] = (await pool.view()).hosts;
    assert.deepEqual(
      host?.leases.map(({ requestId, gpuIndices }) => [requestId, gpuIndices]),
      [
        ['one', [0]],
        ['two', [1]],
      ],
    );
  });

  it('asks the holder to yield to a more urgent request, and grants that when the lease is released', async (t) => {
    const { run } = await setScene(lab, t, { hosts: ['host-a'] });
    const pool = poolClient(lab, run);
    const holder = await pool.hold(`${run}/h`);
    const urgent = await pool.hold(`${run}/u`);
    await pool.ask('one', `${run}/h`);
    await until('the grant', async () => (await pool.view()).hosts[0]?.leasedTo === `${run}/h`);
    await pool.ask('two', `${run}/u`, { priority: 5 });
    const asks = await until('the ask', async () => {
      const found = await heard(holder, 'yield');
      return found.length > 0 && found;
    });
    const why = `${run}/u is more urgent (priority 5)`;
    assert.deepEqual(asks, [{ requestId: 'one', why, withinMs: 600_000 }]);
    assert.equal((await pool.view()).hosts[0]?.leases[0]?.askedToYield?.why, why);
    await pool.ask('again', `${run}/h`, { replaces: 'one' });
    await until('the urgent one', async () => (await heard(urgent, 'leaseGranted')).length === 1);
    await pool.release('two');
    await until('the first again', async () => (await heard(holder, 'leaseGranted')).length === 2);
  });

  it('takes orders, and refuses those that make no sense, with what would', async (t) => {
    const { run } = await setScene(lab, t);
    const { pool, ...reader } = poolClient(lab, run);
    const view = () => reader.view();
    const order = { ...said, host: 'host-a' };
    const refused = async (work: Promise<unknown>, message: RegExp) => {
      await assert.rejects(work, (error) => {
        assert.ok(error instanceof WorkflowUpdateFailedError);
        assert.match(error.cause?.message ?? '', message);
        return true;
      });
    };
    const typo = pool.executeUpdate(cordonUpdate, { args: [{ ...said, host: 'hots-b' }] });
    await refused(typo, /has no host 'hots-b'; the nearest are host-b, host-a/);
    await refused(pool.executeUpdate(cordonUpdate, { args: [{ ...order, why: ' ' }] }), /say why/);
    await refused(pool.executeUpdate(uncordonUpdate, { args: [order] }), /neither cordoned nor drained/);
    const cordoned = await pool.executeUpdate(cordonUpdate, { args: [order] });
    assert.deepEqual(
      [cordoned.usable, cordoned.cordoned?.by, cordoned.cordoned?.why],
      [false, 'me', 'a test'],
    );
    await refused(pool.executeUpdate(cordonUpdate, { args: [order] }), /cordoned already by me: a test/);
    assert.equal((await pool.executeUpdate(uncordonUpdate, { args: [order] })).usable, true);
    const blame = { host: 'host-a', holder: 'run', reason: 'Xid 79', weight: 'at once' } as const;
    await pool.signal(blameSignal, blame);
    await until('quarantine', async () => (await view()).hosts[0]?.quarantined?.reason === 'Xid 79 (run)');
    assert.equal((await pool.executeUpdate(clearUpdate, { args: [order] })).usable, true);
  });

  it('lets the worker of a drained host leave when the host is free', async (t) => {
    const { run } = await setScene(lab, t, { hosts: ['host-a'] });
    const pool = poolClient(lab, run);
    const holder = await pool.hold(`${run}/h`);
    await pool.ask('one', `${run}/h`);
    await until('the grant', async () => (await heard(holder, 'leaseGranted')).length === 1);
    await pool.pool.executeUpdate(drainUpdate, { args: [{ ...said, host: 'host-a' }] });
    const [ask] = await until('the ask', async () => {
      const found = await heard(holder, 'yield');
      return found.length > 0 && found;
    });
    assert.deepEqual(ask, { requestId: 'one', why: 'host-a is drained: a test', withinMs: 600_000 });
    assert.equal((await pool.view()).hosts[0]?.present, true);
    await pool.release('one');
    await until('its leave', async () => (await pool.view()).hosts[0]?.present === false);
  });

  it('lets a worker go that is leaving, and takes the next one that joins on that host', async (t) => {
    const { run, ...scene } = await setScene(lab, t, { hosts: ['host-a'] });
    const { pool, ...reader } = poolClient(lab, run);
    const view = () => reader.view();
    const host = { name: 'host-a', gpus: 2, address: 'host-a.example' };
    await until('it to be there', async () => (await view()).hosts[0]?.present);
    await pool.signal(joinSignal, { ...host, leaving: 'SIGTERM' });
    await until('its leave', async () => (await view()).hosts[0]?.present === false);
    await pool.signal(joinSignal, host);
    await until('the next one', async () => (await view()).hosts[0]?.usable);
    scene.leave('host-a');
    await until('its goodbye', async () => (await view()).hosts[0]?.present === false);
  });

  it('reads its file again when it is told to, and continues with what it had where the file is invalid', async (t) => {
    const { run } = await setScene(lab, t, { hosts: ['host-a'] });
    const { pool, ...reader } = poolClient(lab, run);
    const view = () => reader.view();
    const file = joinPath(configDirectory, 'pools', `${run}.yaml`);
    await writeFile(file, 'ageAfter: 2h\nquotas: { vision: 8 }\n');
    const settings = await pool.executeUpdate(reloadUpdate, { args: [{ by: 'me' }] });
    assert.deepEqual([settings.ageAfterMs, settings.quotas], [7_200_000, { vision: 8 }]);
    await writeFile(file, 'agAfter: 2h\n');
    const bad = pool.executeUpdate(reloadUpdate, { args: [{ by: 'me' }] });
    await assert.rejects(bad, (error) => {
      let inner: unknown = error;
      while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
      assert.match(String(inner), /yaml:1: agAfter: unknown key; did you mean 'ageAfter'/);
      return true;
    });
    assert.equal((await view()).settings.ageAfterMs, 7_200_000);
  });
});
