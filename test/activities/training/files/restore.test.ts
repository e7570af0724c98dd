import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Checkpoint } from '../../../../contracts/checkpoints.ts';
import type { ObjectStore } from '../../../../activities/storage/ports/object-store.ts';
import { placeWeights, weightsPath } from '../../../../activities/training/files/host-weights.ts';
import { openJob, type Job } from '../../../../activities/training/jobs/job.ts';
import { removeCheckpoints, restoreCheckpoint } from '../../../../activities/training/files/restore.ts';
import { temporaryFolder } from '../../../fixtures/glee-checkout.ts';
import { recording, startTestS3, type TestS3 } from '../../s3.ts';

const forever = new AbortController().signal;
const NAME = 'model_0000019.pth';
const WEIGHTS = 'weights after 20 iterations';

describe('what an attempt begins from', () => {
  let s3: TestS3;
  let checkpoint: Checkpoint;
  before(async () => {
    s3 = await startTestS3();
    checkpoint = await storeCheckpoint(s3.store, WEIGHTS);
  });
  after(() => s3.stop());

  describe('initial weights that S3 has no more', () => {
    const artifact = { name: 'swin', bucket: 'glee', key: 'weights/swin.pth', sizeBytes: 27 };
    const place = (test: TestContext, key: string, sha256: string) =>
      makeHost(test).then(({ scratch }) =>
        placeWeights(
          { store: s3.store, scratch, checkout: scratch },
          { kind: 'artifact', artifact: { ...artifact, key, sha256 } },
          forever,
        ),
      );

    it('fail by name, with the remedy', async (test) => {
      const work = place(test, s3.store.keyOf('nowhere.pth'), 'f'.repeat(64));
      await assert.rejects(work, { type: 'MissingFile', nonRetryable: true, message: /swin.* is gone: put/ });
    });

    it('fail by another where the object is another one, whole or cut', async (test) => {
      for (const content of [WEIGHTS.toUpperCase(), WEIGHTS.slice(0, 9)]) {
        await s3.store.writeText('other.pth', content);
        const work = place(test, s3.store.keyOf('other.pth'), checkpoint.file.sha256);
        await assert.rejects(work, { type: 'WrongWeights', nonRetryable: true, message: /is not swin/ });
      }
    });
  });

  describe('restoreCheckpoint', () => {
    it('fetches the checkpoint from S3 and points --resume at it', async (test) => {
      const { scratch, job } = await makeHost(test);
      await restoreCheckpoint(s3.store, { scratch, host: 'gpu-1' }, job, checkpoint, forever);
      assert.deepEqual(await contentOf(job), { last_checkpoint: NAME, [NAME]: WEIGHTS });
    });

    it('continues from final weights, as a stage that was extended does, under a numbered name', async (test) => {
      const { scratch, job } = await makeHost(test);
      const final = { ...checkpoint, name: 'model_final.pth', final: true };
      await restoreCheckpoint(s3.store, { scratch, host: 'gpu-1' }, job, final, forever);
      assert.deepEqual(await contentOf(job), { last_checkpoint: NAME, [NAME]: WEIGHTS });
    });

    it('takes the file that an earlier attempt left on the host, without a copy and without S3', async (test) => {
      const { scratch, job, earlier } = await makeHost(test);
      await writeFile(join(earlier.output, NAME), WEIGHTS);
      const { store, requests } = recording(s3.store);
      await restoreCheckpoint(store, { scratch, host: 'gpu-1' }, job, checkpoint, forever);
      assert.deepEqual(requests, []);
      assert.deepEqual(await contentOf(job), { last_checkpoint: NAME, [NAME]: WEIGHTS });
      const [theirs, ours] = await Promise.all([earlier, job].map(({ output }) => stat(join(output, NAME))));
      assert.equal(theirs?.ino, ours?.ino);
    });

    it('takes the file that an execution which rested there left in the cache', async (test) => {
      const { scratch, job } = await makeHost(test);
      const cached = weightsPath(scratch, checkpoint.file.sha256);
      await mkdir(dirname(cached), { recursive: true });
      await writeFile(cached, WEIGHTS);
      const { store, requests } = recording(s3.store);
      await restoreCheckpoint(store, { scratch, host: 'gpu-1' }, job, checkpoint, forever);
      assert.deepEqual(requests, []);
      assert.deepEqual(await contentOf(job), { last_checkpoint: NAME, [NAME]: WEIGHTS });
    });

    it('does not take a file that has the name but not the content', async (test) => {
      const { scratch, job, earlier } = await makeHost(test);
      await writeFile(join(earlier.output, NAME), 'WEIGHTS after 20 iterations');
      await restoreCheckpoint(s3.store, { scratch, host: 'gpu-1' }, job, checkpoint, forever);
      assert.equal((await contentOf(job))[NAME], WEIGHTS);
    });

    it('continues where it was killed: half a file is fetched again, a whole one kept', async (test) => {
      const { scratch, job } = await makeHost(test);
      await writeFile(join(job.output, NAME), WEIGHTS.slice(0, 9));
      await restoreCheckpoint(s3.store, { scratch, host: 'gpu-1' }, job, checkpoint, forever);
      const { store, requests } = recording(s3.store);
      await restoreCheckpoint(store, { scratch, host: 'gpu-1' }, job, checkpoint, forever);
      assert.deepEqual(requests, []);
      assert.equal((await contentOf(job))[NAME], WEIGHTS);
    });

    it('refuses an object that is damaged, and points --resume at nothing', async (test) => {
      const { scratch, job } = await makeHost(test);
      const damaged = await storeCheckpoint(s3.store, 'good', 'evil');
      await assert.rejects(
        restoreCheckpoint(s3.store, { scratch, host: 'gpu-1' }, job, damaged, forever),
        (error: unknown) => {
          assert.ok(error instanceof ApplicationFailure);
          assert.equal(error.type, 'DamagedCheckpoint');
          assert.match(error.message, /is not what was committed: S3 download failed .*: expected 4 bytes /);
          assert.match(JSON.stringify(error.details), new RegExp(`"damaged":"${damaged.file.key}"`));
          return true;
        },
      );
      assert.deepEqual(await contentOf(job), {});
    });
  });

  describe('removeCheckpoints', () => {
    it('removes checkpoints and what a killed download left of one, and keeps log and metrics', async (test) => {
      const { job } = await makeHost(test);
      const left = 'model_0000009.pth.1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed.tmp';
      for (const name of [NAME, 'model_final.pth', left, 'metrics.json', 'last_checkpoint', 'log.txt']) {
        await writeFile(join(job.output, name), 'x');
      }
      await removeCheckpoints(job);
      assert.deepEqual((await readdir(job.output)).sort(), ['last_checkpoint', 'log.txt', 'metrics.json']);
      await removeCheckpoints(job);
    });
  });
});

async function makeHost(test: TestContext) {
  const root = await temporaryFolder(test);
  const [scratch, checkout] = [join(root, 'scratch'), join(root, 'glee')];
  await mkdir(checkout);
  const identity = { run: 'run', stage: 'stage1', workflowId: 'run/stage1' };
  const earlier = await openJob(scratch, { ...identity, token: 1 });
  const job = await openJob(scratch, { ...identity, token: 2 });
  return { scratch, checkout, earlier, job };
}

/** A checkpoint in S3 whose object may be another than its checksum says. */
async function storeCheckpoint(store: ObjectStore, promised: string, stored = promised): Promise<Checkpoint> {
  const key = `checkpoints/${sha256(promised)}`;
  await store.writeText(key, stored);
  const file = { key, sha256: sha256(promised), sizeBytes: Buffer.byteLength(promised) };
  return {
    run: 'run',
    stage: 'stage1',
    token: 1,
    name: NAME,
    iterations: 20,
    final: false,
    file,
    savedAt: 1,
  };
}

async function contentOf(job: Job): Promise<Record<string, string>> {
  const names = await readdir(job.output);
  const entries = names.map(async (name) => [name, await readFile(join(job.output, name), 'utf8')] as const);
  return Object.fromEntries(await Promise.all(entries));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
