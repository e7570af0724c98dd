import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { awaitCheckpoint } from '../../../../activities/training/files/await-checkpoint.ts';
import { until } from '../../../support/until.ts';
import { intercept, startTestS3, type TestS3 } from '../../s3.ts';
import { makeHost, startRank, type RunningRank, type TestHost } from '../ranks.ts';

describe('awaitCheckpoint', { concurrency: 4 }, () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('returns at once where there is no such job, or its trainer has ended', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await ask(host).ended;
    await startRank(host).result;
    await ask(host).ended;
    assert.equal(await ask(host, { run: '../../..' }).ended, 'ended');
  });

  it('returns at once where the trainer saves when it is asked', async (test) => {
    const { host, rank } = await training(test);
    const phase = { phase: 'training', since: 1, at: 1, iterations: 5 };
    await writeFile(join((await host.job()).folder, 'phase.json'), JSON.stringify(phase));
    await ask(host).ended;
    await end(rank);
  });

  it('returns at once where nothing was trained yet', async (test) => {
    const host = await makeHost(test, 'waits.py', s3);
    const rank = startRank(host);
    await host.untilLog('ready');
    await ask(host).ended;
    await end(rank);
  });

  it('waits for the next checkpoint to be in S3 where no companion saves', async (test) => {
    const { host, rank } = await training(test);
    const { ended, beats } = ask(host);
    await until('S3 to be asked', () => beats.some(({ newest }) => newest === null));
    await host.allow(15);
    await ended;
    await end(rank);
  });

  it('continues waiting in the next try of the activity, for the same checkpoint and no longer', async (test) => {
    const { host, rank } = await training(test);
    const first = ask(host);
    const beat = await until('S3 to be asked', () => first.beats.find(({ newest }) => newest === null));
    first.cancel();
    await assert.rejects(first.ended);
    await host.allow(15);
    await host.untilLog('iter: 14 ');
    await ask(host, {}, beat).ended;
    await ask(host, {}, { ...beat, until: Date.now() }).ended;
    await end(rank);
  });

  it('waits no longer than it is told, also while S3 is away', async (test) => {
    const away = intercept(s3.store, { before: () => Promise.reject(new Error('not now')) });
    const { host, rank } = await training(test);
    const cutOff = { ...host, store: away };
    const began = Date.now();
    await ask(cutOff, { withinMs: 1200 }).ended;
    assert.ok(Date.now() - began >= 1200);
    await end(rank);
  });

  async function training(test: TestContext) {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const rank = startRank(host);
    await host.untilLog('iter: 4 ');
    return { host, rank };
  }
});

async function end(rank: RunningRank): Promise<void> {
  rank.cancel();
  await assert.rejects(rank.result, { name: 'CancelledFailure' });
}

interface State {
  readonly until: number;
  readonly newest?: string | null;
}

function ask(host: TestHost, change: { run?: string; withinMs?: number } = {}, details?: State) {
  const environment = new MockActivityEnvironment(
    { ...(details && { heartbeatDetails: details }) },
    { logger: new DefaultLogger('ERROR') },
  );
  const beats: State[] = [];
  environment.on('heartbeat', (state: State) => beats.push(state));
  const input = { run: host.input.run, stage: 'stage1', token: 1, withinMs: 60_000, ...change };
  const wait = () => awaitCheckpoint({ store: host.store, scratch: host.settings.scratch }, input);
  const ended = environment.run(wait).then(() => 'ended');
  ended.catch(() => undefined);
  return { ended, beats, cancel: () => environment.cancel() };
}
