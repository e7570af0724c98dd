import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { readHead } from '../../../activities/checkpoints/head.ts';
import { listJobs, readTrainer } from '../../../activities/training/jobs/job.ts';
import { until } from '../../support/until.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { makeHost, pidOf, startRank, type TestHost } from './ranks.ts';

describe('two runs that share a host', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('train at once, each on its own GPUs, and leave what each leaves alone', async (test) => {
    const [one, two] = [await makeHost(test, 'trains.py', s3), await makeHost(test, 'trains.py', s3)];
    const shared: TestHost = { ...two, settings: { ...two.settings, scratch: one.settings.scratch } };
    const sha256 = createHash('sha256').update('shared weights').digest('hex');
    await s3.store.writeText('shared.pth', 'shared weights');
    const artifact = { name: 'a', bucket: 'glee', key: s3.store.keyOf('shared.pth'), sha256, sizeBytes: 14 };
    const weights = { kind: 'artifact', artifact: { ...artifact, iterations: 1, configFile: 'x' } } as const;
    for (const host of [one, two]) await host.allow(15);
    const ranks = [
      startRank(one, { weights, gpuIndices: [0, 2], port: 1 }),
      startRank(shared, { weights, gpuIndices: [1], port: 2 }),
    ];
    const pids = [await pidOf(one), await pidIn(shared, two.input.run)];
    const seen = await Promise.all(pids.map((pid) => variable(pid, 'CUDA_VISIBLE_DEVICES')));
    assert.deepEqual(seen, ['0,2', '1']);
    for (const host of [one, two]) await host.allow();
    for (const [index, { result }] of ranks.entries()) {
      const { final, iterationsRun } = await result;
      assert.equal(iterationsRun, 30);
      const { run } = (index === 0 ? one : two).input;
      assert.equal(final?.run, run);
      assert.deepEqual((await readHead(s3.store, { run, stage: 'stage1' }))?.checkpoint, final);
      const text = await s3.store.readText(final.file.key);
      assert.match(text?.text ?? '', /shared weights after 30/);
    }
  });

  it('are told what of the GPUs that the worker itself has', async (test) => {
    process.env.CUDA_VISIBLE_DEVICES = 'GPU-a, GPU-b,GPU-c';
    test.after(() => Reflect.deleteProperty(process.env, 'CUDA_VISIBLE_DEVICES'));
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(1);
    const rank = startRank(host, { gpuIndices: [2, 0] });
    assert.equal(await variable(await pidOf(host), 'CUDA_VISIBLE_DEVICES'), 'GPU-c,GPU-a');
    rank.cancel();
    await assert.rejects(rank.result);
    const other = await makeHost(test, 'trains.py', s3);
    await assert.rejects(startRank(other, { gpuIndices: [1, 3] }).result, {
      type: 'HostUnfit',
      message:
        "GPU 3 of this host was asked for, but its worker's CUDA_VISIBLE_DEVICES is 'GPU-a, GPU-b,GPU-c'",
    });
  });
});

async function pidIn(host: TestHost, run: string): Promise<number> {
  return until('the second trainer', async () => {
    const [job] = await listJobs(host.settings.scratch, { run, stage: 'stage1' });
    return job && (await readTrainer(job))?.pid;
  });
}

/** Of a process's own environment, as it was started. */
async function variable(pid: number, name: string): Promise<string | undefined> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
  const entry = environment.split('\0').find((one) => one.startsWith(`${name}=`));
  return entry?.slice(name.length + 1);
}
