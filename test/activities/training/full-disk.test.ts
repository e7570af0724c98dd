/** @module Every write of a host that no disk has room for, one page after another. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Checkpoint } from '../../../contracts/checkpoints.ts';
import { isDiskFull } from '../../../activities/files/atomic-files.ts';
import { placeFile, placeWeights } from '../../../activities/training/files/host-weights.ts';
import { openJob, writeJobFile, writeTaskToken } from '../../../activities/training/jobs/job.ts';
import { restoreCheckpoint } from '../../../activities/training/files/restore.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { makeSmallDisk, noSmallDisk, type SmallDisk } from '../../support/small-disk.ts';
import { startTestS3, type TestS3 } from '../s3.ts';

const forever = new AbortController().signal;
const PAGE = 4096;
const CONTENT = randomBytes(3 * PAGE + 7);
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');
const FILE = { name: 'weights', bucket: 'glee', key: 'file.pth', sha256: SHA256, sizeBytes: CONTENT.length };
const JOB = { run: 'run', stage: 'stage1', token: 2, workflowId: 'run/stage1' };
const CHECKPOINT: Checkpoint = {
  ...{ run: 'run', stage: 'stage1', token: 1, name: 'model_0000019.pth', iterations: 20, final: false },
  file: FILE,
  savedAt: 1,
};

/** What a host writes, each to be done twice as well: a worker may have been killed just before its end. */
const WRITES: Readonly<Record<string, (s3: TestS3, scratch: string) => Promise<unknown>>> = {
  'the records of a job': async (_, scratch) => {
    const job = await openJob(scratch, JOB);
    await writeTaskToken(job, Buffer.alloc(2 * PAGE));
    await writeJobFile(job, 'weights.json', [SHA256]);
  },
  'a restored checkpoint': async ({ store }, scratch) => {
    const job = await openJob(scratch, JOB);
    await restoreCheckpoint(store, { scratch, host: 'gpu-1' }, job, CHECKPOINT, forever);
  },
  'weights in the cache': ({ store }, scratch) => {
    const artifact = { ...FILE, iterations: 20, configFile: 'x.yaml' };
    const places = { store, scratch, checkout: join(scratch, 'glee') };
    return placeWeights(places, { kind: 'artifact', artifact }, forever);
  },
  'a file in the checkout': ({ store }, scratch) => {
    const places = { store, scratch, checkout: join(scratch, 'glee') };
    return placeFile(places, { path: 'clip/model.bin', file: FILE }, forever);
  },
};

describe('a disk with room for one page more each time', { skip: noSmallDisk }, () => {
  let s3: TestS3;
  let disk: SmallDisk;
  before(async () => {
    s3 = await startTestS3();
    disk = await makeSmallDisk('400k');
  });
  after(async () => {
    await disk.remove();
    await s3.stop();
  });

  for (const [what, work] of Object.entries(WRITES)) {
    it(`takes ${what} whole, or says that it is full and has all as it was`, async (test) => {
      const path = join(await temporaryFolder(test), 'file.pth');
      await writeFile(path, CONTENT);
      await s3.store.upload(FILE.key, path, forever);
      await begin();
      await work(s3, disk.folder);
      const whole = await contentsOf(disk.folder);
      let pages = 0;
      for (; (await fails(() => work(s3, disk.folder), whole, pages)) !== undefined; pages += 1)
        assert.ok(pages < 50, 'so many are enough for all of it');
      test.diagnostic(`${pages} pages`);
      assert.ok(pages >= 3);
    });
  }

  it('takes over a job without a free page, as its record is there', async () => {
    for (const name of await readdir(disk.folder)) await rm(join(disk.folder, name), { recursive: true });
    const { folder } = await openJob(disk.folder, JOB);
    await disk.leaveFree(0);
    assert.equal((await openJob(disk.folder, JOB)).folder, folder);
    await assert.rejects(openJob(disk.folder, { ...JOB, workflowId: 'another' }), isDiskFull);
    await disk.leaveFree(Infinity);
  });

  /** An earlier attempt's record, and another file that was there. */
  async function begin(): Promise<void> {
    for (const name of await readdir(disk.folder)) await rm(join(disk.folder, name), { recursive: true });
    const { output } = await openJob(disk.folder, { ...JOB, workflowId: 'the one before' });
    await writeFile(join(output, 'last_checkpoint'), 'model_0000009.pth');
    await mkdir(join(disk.folder, 'glee'));
  }

  /** @returns What it failed with, if it did. */
  async function fails(
    work: () => Promise<unknown>,
    whole: ReadonlyMap<string, string>,
    pages: number,
  ): Promise<unknown> {
    await begin();
    const earlier = await contentsOf(disk.folder);
    await disk.leaveFree(pages * PAGE);
    const error: unknown = await work().then(
      () => undefined,
      (failure: unknown) => failure,
    );
    const found = await contentsOf(disk.folder);
    for (const [name, content] of found)
      assert.ok([earlier.get(name), whole.get(name)].includes(content), `${name} at ${pages} pages`);
    for (const name of (error === undefined ? whole : earlier).keys()) assert.ok(found.has(name), name);
    assert.ok(error === undefined || isDiskFull(error), String(error));
    await disk.leaveFree(Infinity);
    await work();
    assert.deepEqual(await contentsOf(disk.folder), whole, 'once there is room');
    return error;
  }
});

/** Checksums of all files below a folder but the one that fills it. */
async function contentsOf(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== 'of-somebody-else');
  const found = new Map<string, string>();
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name);
    found.set(
      relative(folder, path),
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
    );
  }
  return new Map([...found].sort(([one], [other]) => (one < other ? -1 : 1)));
}
