/**
 * @module How a gang is looked at: on a real server, by hosts that say what a test has them say.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { NativeConnection, Worker } from '@temporalio/worker';
import { ApplicationFailure } from '@temporalio/common';
import type { HostCheck } from '../../../contracts/health.ts';
import type { GangHealth } from '../../../workflows/stage/preflight.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import { setScene, type Script } from '../../support/scene.ts';
import type { lookAtGang } from './preflight-workflow.ts';

const QUEUE = 'looking-at-gangs';

const bad = (name: string, said: string, hostFault?: true): HostCheck => ({
  name,
  outcome: 'failed',
  said,
  ...(hostFault && { hostFault }),
});
const good = (name: string, said = 'well'): HostCheck => ({ name, outcome: 'passed', said });

describe('checkGang', { concurrency: true }, () => {
  let lab: Lab;
  let stop: () => Promise<void>;
  before(async () => {
    lab = await startLab();
    const connection = await NativeConnection.connect({ address: lab.address });
    const worker = await Worker.create({
      connection,
      namespace: lab.client.options.namespace,
      taskQueue: QUEUE,
      workflowsPath: join(import.meta.dirname, 'preflight-workflow.js'),
    });
    const running = worker.run();
    stop = async () => {
      worker.shutdown();
      await running;
      await connection.close();
    };
  });
  after(async () => {
    await stop();
    await lab.stop();
  });

  async function look(
    t: Pick<TestContext, 'name'>,
    script: Script,
    hosts = ['host-a', 'host-b'],
  ): Promise<GangHealth> {
    const { run, plan } = await setScene(lab, t, { hosts: [], ...script });
    const leased = hosts.map((name) => ({ name, gpus: 2, address: name, gpuIndices: [0, 1] }));
    const lease = { requestId: 'r', holder: 'holder', holderSince: 1, hosts: leased, token: 7 };
    const gang = { ...plan, gang: { hosts: hosts.length, gpusPerHost: 2 } };
    return lab.client.workflow.execute<typeof lookAtGang>('lookAtGang', {
      workflowId: `look/${run}`,
      taskQueue: QUEUE,
      workflowExecutionTimeout: '60s',
      args: [lease, { run, plan: gang, token: 7 }],
    });
  }

  it('says what it saw of a gang that is fit, after its hosts have met', async (t) => {
    const met: unknown[] = [];
    const health = await look(t, {
      check: (input, host) => {
        assert.deepEqual(input.gpuIndices, [0, 1]);
        return Promise.resolve({
          checks: [good('gpus'), { name: 'checkout', outcome: 'skipped', said: 'no git' }],
          tflops: host === 'host-a' ? 600 : 590,
        });
      },
      meet: (input, host) => {
        met.push([host, input.machineRank, input.hosts.map(({ name, ports }) => [name, ports.hello])]);
        return Promise.resolve({ checks: [good('ports'), good('collective', '150 GB/s')] });
      },
    });
    assert.deepEqual(health, {
      kind: 'fit',
      said: 'host-a, host-b are fit: gpus, ports, collective; host-a 600 TFLOP/s; host-b 590 TFLOP/s; 150 GB/s; not looked at: checkout (no git)',
    });
    const gang = [
      ['host-a', 1],
      ['host-b', 1],
    ];
    assert.deepEqual(met.toSorted(), [
      ['host-a', 0, gang],
      ['host-b', 1, gang],
    ]);
  });

  it('blames a host at once whose hardware is at fault, before a meeting that could hang', async (t) => {
    const health = await look(t, {
      check: (_, host) =>
        Promise.resolve({ checks: host === 'host-b' ? [bad('gpus', 'GPU 1: Xid 79', true)] : [] }),
      meet: () => assert.fail('no one is to meet'),
    });
    assert.deepEqual(health, {
      kind: 'unfit',
      failure: { type: 'HostUnfit', host: 'host-b', message: 'host host-b is unfit: gpus: GPU 1: Xid 79' },
      avoid: ['host-b'],
      blames: [{ host: 'host-b', holder: 'holder', reason: 'gpus: GPU 1: Xid 79', weight: 'at once' }],
      lacking: [],
      ofPlan: false,
    });
  });

  it('avoids a host without the data, and leaves open whose fault it is', async (t) => {
    const health = await look(t, {
      check: (_, host) => Promise.resolve({ checks: host === 'host-a' ? [bad('data', 'no lvis')] : [] }),
    });
    assert.ok(health.kind === 'unfit');
    assert.equal(health.failure.type, 'HostUnfit');
    assert.deepEqual([health.avoid, health.blames], [['host-a'], []]);
    assert.deepEqual(health.lacking, [{ host: 'host-a', reason: 'data: no lvis' }]);
    assert.equal(health.ofPlan, true);
  });

  it('does not take it for the plan alone when another host has a fault of its own', async (t) => {
    const health = await look(t, {
      check: (_, host) =>
        Promise.resolve({
          checks: host === 'host-a' ? [bad('data', 'no lvis')] : [bad('gemm', 'wrong', true)],
        }),
    });
    assert.ok(health.kind === 'unfit');
    assert.deepEqual([health.lacking.length, health.ofPlan], [1, false]);
  });

  for (const [name, type] of [
    ['data', 'MissingFile'],
    ['room', 'DiskFull'],
    ['torch', 'ImportError'],
  ] as const) {
    it(`says ${type} when ${name} fails on all hosts of the gang`, async (t) => {
      const health = await look(t, { check: () => Promise.resolve({ checks: [bad(name, 'mend it')] }) });
      assert.deepEqual(health, {
        kind: 'unfit',
        failure: { type, message: `on all hosts of the gang (host-a, host-b): ${name}: mend it` },
        avoid: ['host-a', 'host-b'],
        blames: [],
        lacking: ['host-a', 'host-b'].map((host) => ({ host, reason: `${name}: mend it` })),
        ofPlan: true,
      });
    });
  }

  it('lets nothing stop the run that could only not be seen', async (t) => {
    const hung = { ...bad('data', 'no answer within 60 s'), inconclusive: true };
    const health = await look(t, { check: () => Promise.resolve({ checks: [hung] }) });
    assert.ok(health.kind === 'unfit');
    assert.equal(health.failure.type, 'HostUnfit');
    assert.deepEqual(health.avoid, ['host-a', 'host-b']);
  });

  it('blames a broken driver on a host that is alone in its gang', async (t) => {
    const checks = [bad('torch', 'torch sees 1 GPUs, the driver 2', true)];
    const health = await look(t, { check: () => Promise.resolve({ checks }) }, ['host-a']);
    assert.ok(health.kind === 'unfit');
    assert.equal(health.failure.type, 'HostUnfit');
    assert.deepEqual(
      health.blames.map(({ weight }) => weight),
      ['at once'],
    );
  });

  it('calls a host lost that does not take the work', async (t) => {
    const health = await look(t, { limits: { hostTimeoutMs: 1000 } }, ['host-a', 'host-gone']);
    assert.ok(health.kind === 'unfit');
    assert.equal(health.failure.type, 'HostLost');
    assert.deepEqual([health.failure.host, health.avoid], ['host-gone', ['host-gone']]);
  });

  it('calls a host unfit whose check breaks, after some tries', async (t) => {
    let tries = 0;
    const health = await look(t, {
      check: (_, host) => {
        if (host === 'host-b') return Promise.resolve({});
        tries += 1;
        return Promise.reject(ApplicationFailure.retryable('the worker is of another version'));
      },
    });
    assert.ok(health.kind === 'unfit');
    assert.equal(tries, 3);
    assert.equal(health.failure.type, 'HostUnfit');
    assert.match(health.failure.message, /host-a .*the worker is of another version/);
  });

  it('names the host that the others do not reach', async (t) => {
    const health = await look(
      t,
      {
        meet: ({ hosts }, host) => {
          const others = hosts.map(({ name }) => name).filter((name) => name !== host);
          const unreachable = host === 'host-c' ? others : ['host-c'];
          return Promise.resolve({ checks: [bad('ports', `misses ${unreachable.join()}`)], unreachable });
        },
      },
      ['host-a', 'host-b', 'host-c'],
    );
    assert.ok(health.kind === 'unfit');
    assert.deepEqual(health.avoid, ['host-c']);
    assert.deepEqual(
      health.blames.map(({ host, weight }) => [host, weight]),
      [['host-c', 'counts']],
    );
    assert.match(health.failure.message, /host-a misses host-c; host-b misses host-c; host-c misses/);
  });

  it('names a host that opened no port to be met at', async (t) => {
    const health = await look(t, {
      closed: ['host-b'],
      meet: () => assert.fail('no one is to meet'),
    });
    assert.ok(health.kind === 'unfit');
    assert.equal(health.failure.message, 'host host-b is unfit: ports: it opened none');
  });

  it('names the host whose checkout is another', async (t) => {
    const health = await look(
      t,
      { check: (_, host) => Promise.resolve({ checkout: host === 'host-b' ? 'fff' : 'eee' }) },
      ['host-a', 'host-b', 'host-c'],
    );
    assert.ok(health.kind === 'unfit');
    assert.deepEqual([health.avoid, health.blames], [['host-b'], []]);
    assert.match(health.failure.message, /its GLEE is at fff, that of host-a at eee/);
  });

  it('names a host whose GPUs are far slower than those of the others', async (t) => {
    const health = await look(
      t,
      { check: (_, host) => Promise.resolve({ tflops: host === 'host-c' ? 200 : 600 }) },
      ['host-a', 'host-b', 'host-c'],
    );
    assert.ok(health.kind === 'unfit');
    assert.deepEqual([health.avoid, health.blames[0]?.weight], [['host-c'], 'at once']);
  });

  it('does not take it for a fault of the hosts when S3 answers none of them', async (t) => {
    const clock = bad('clock', 'could not be checked: S3 is away');
    const health = await look(t, { check: () => Promise.resolve({ checks: [good('data'), clock] }) });
    assert.ok(health.kind === 'fit');
    assert.match(health.said, /fit: data; clock on all hosts: could not be checked: S3 is away/);
    const one = await look(
      { name: `one ${t.name}` },
      {
        check: (_, host) => Promise.resolve({ checks: host === 'host-a' ? [clock] : [] }),
      },
    );
    assert.ok(one.kind === 'unfit');
    assert.deepEqual(one.avoid, ['host-a']);
  });
});
