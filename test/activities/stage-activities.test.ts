import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { StagePlan } from '../../contracts/plan.ts';
import type { PoolActivities, StageActivities } from '../../contracts/activities.ts';
import type { LeaseRequest } from '../../contracts/pool.ts';
import type { InitialWeights } from '../../contracts/training.ts';
import { keys, poolWorkflowId } from '../../contracts/ids.ts';
import { claimHead, commitHead } from '../../activities/checkpoints/head.ts';
import { isRunning } from '../../activities/support/is-running.ts';
import { createPoolActivities } from '../../activities/pool-activities.ts';
import { createStageActivities } from '../../activities/stage-activities.ts';
import { stageInputs } from '../../planning/inputs-checksum.ts';
import { obtainServer } from '../../sandbox/obtain.ts';
import { startTemporal, type TemporalServer } from '../../sandbox/servers.ts';
import { startTestS3, type TestS3 } from './s3.ts';

const sum = 'a'.repeat(64);
const weights: InitialWeights = { kind: 'checkout', path: 'w.pth', sha256: sum, sizeBytes: 1 };
const plan: StagePlan = {
  stage: 'stage1',
  configFile: 'x.yaml',
  weights,
  overrides: {},
  settingsSha256: sum,
  gang: { hosts: 1, gpusPerHost: 1 },
  pool: 'default',
  maxIterations: 30,
  checkpointPeriod: 10,
  limits: { heartbeatTimeoutMs: 1, hostTimeoutMs: 1, stallTimeoutMs: 1, attemptsWithoutProgress: 1 },
};

describe('createStageActivities', () => {
  let directory: string;
  let s3: TestS3;
  let temporal: TemporalServer;
  let client: Client;

  before(async () => {
    s3 = await startTestS3();
    directory = await mkdtemp(join(tmpdir(), 'glee-temporal-'));
    temporal = await startTemporal({ directory, executable: await obtainServer('temporal') });
    client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  });
  after(async () => {
    await client.connection.close();
    await temporal.process.stop();
    await s3.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Runs an activity with the worker's own client, as a worker does. */
  function run<T>(make: (activities: StageActivities & PoolActivities) => Promise<T>): Promise<T> {
    const environment = new MockActivityEnvironment({}, { client, logger: new DefaultLogger('ERROR') });
    const activity = () =>
      make({ ...createStageActivities(s3.store), ...createPoolActivities('no-such-folder') });
    return environment.run<[], T, typeof activity>(activity);
  }

  const start = (workflowId: string) =>
    client.workflow.start('nobodyRunsThis', { workflowId, taskQueue: 'nobody' });

  it('tells a workflow that runs from one that is closed and one that is not known', async () => {
    const handle = await start('holder-1');
    assert.equal(await isRunning(client, 'holder-1'), true);
    await handle.terminate();
    assert.equal(await isRunning(client, 'holder-1'), false);
    assert.equal(await isRunning(client, 'holder-none'), false);
  });

  it('does not take silence for an end', async () => {
    const nowhere = new Client({ connection: Connection.lazy({ address: '127.0.0.1:9' }) });
    await assert.rejects(nowhere.withDeadline(Date.now() + 500, () => isRunning(nowhere, 'holder-1')));
    await nowhere.connection.close();
  });

  it('finds the holders whose leases are over', async () => {
    await start('holder-2');
    await (await start('holder-3')).terminate();
    const holders = ['holder-2', 'holder-3', 'holder-none'];
    assert.deepEqual(await run((activities) => activities.findEndedHolders({ holders })), [
      'holder-3',
      'holder-none',
    ]);
  });

  it('asks the pool, starting it where it does not run', async () => {
    const request: LeaseRequest = {
      requestId: 'holder/1',
      holder: 'holder',
      hosts: 1,
      gpusPerHost: 1,
      avoid: [],
      holderSince: 1,
    };
    await run((activities) => activities.requestLease({ pool: 'a100', request }));
    const first = await client.workflow.getHandle(poolWorkflowId('a100')).describe();
    await run((activities) => activities.requestLease({ pool: 'a100', request }));
    const second = await client.workflow.getHandle(poolWorkflowId('a100')).describe();
    assert.equal(first.type, 'gpuPool');
    assert.equal(second.runId, first.runId);
  });

  const publish = (run: string) => ({ stage: { run, plan, weights }, attempts: 2, iterationsRun: 45 });

  it('publishes nothing while the head does not name final weights', async () => {
    const nothing = run((activities) => activities.publishStage(publish('unborn')));
    await assert.rejects(nothing, {
      message: 'the head of unborn/stage1 does not name final weights: no checkpoint',
    });
    await claimHead(s3.store, { run: 'young', stage: 'stage1' }, 1);
    await commitHead(s3.store, checkpoint('young', 10, false));
    const early = run((activities) => activities.publishStage(publish('young')));
    await assert.rejects(early, {
      message: 'the head of young/stage1 does not name final weights: iteration 10',
    });
    assert.equal(await s3.store.readText(keys.result('young', 'stage1')), undefined);
  });

  it('names the checkpoint that a stage rests at, and leaves no result by which it would be found done', async () => {
    await commitHead(s3.store, checkpoint('resting', 10, false));
    const at = (until: number) =>
      run((activities) => {
        const input = publish('resting');
        return activities.publishStage({ ...input, stage: { ...input.stage, until } });
      });
    assert.deepEqual((await at(10)).artifact, {
      ...{ name: 'resting/stage1@10', bucket: 'glee', ...checkpoint('resting', 10, false).file },
      ...{ iterations: 10, configFile: 'x.yaml' },
    });
    await assert.rejects(at(20), {
      message: 'the head of resting/stage1 does not name iteration 20: iteration 10',
    });
    assert.equal(await s3.store.readText(keys.result('resting', 'stage1')), undefined);
    await commitHead(s3.store, checkpoint('resting', 30, true));
    assert.equal((await at(10)).artifact.name, 'resting/stage1');
    assert.notEqual(await s3.store.readText(keys.result('resting', 'stage1')), undefined);
  });

  it('publishes the final weights with what went into them, the same however often', async () => {
    const final = checkpoint('ripe', 30, true);
    await commitHead(s3.store, final);
    const result = await run((activities) => activities.publishStage(publish('ripe')));
    assert.deepEqual(result, {
      stage: 'stage1',
      artifact: { name: 'ripe/stage1', bucket: 'glee', ...final.file, iterations: 30, configFile: 'x.yaml' },
      inputs: stageInputs(plan, weights),
      attempts: 2,
      iterationsRun: 45,
    });
    assert.deepEqual(await run((activities) => activities.publishStage(publish('ripe'))), result);
    const stored = await s3.store.readText(keys.result('ripe', 'stage1'));
    assert.deepEqual(JSON.parse(stored?.text ?? ''), result);
  });
});

function checkpoint(run: string, iterations: number, final: boolean) {
  const name = final ? 'model_final.pth' : `model_${String(iterations - 1).padStart(7, '0')}.pth`;
  const file = { key: `runs/${run}/${name}`, sha256: sum, sizeBytes: 7 };
  return { run, stage: 'stage1', token: 1, name, iterations, final, file, savedAt: 1 };
}
