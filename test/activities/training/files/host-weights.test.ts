import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { WeightsFile } from '../../../../contracts/weights.ts';
import type { ObjectStore } from '../../../../activities/storage/ports/object-store.ts';
import {
  keepAsWeights,
  placeFile,
  placeWeights,
  trimCache,
} from '../../../../activities/training/files/host-weights.ts';
import { temporaryFolder, writeInto } from '../../../fixtures/glee-checkout.ts';
import { recording, startTestS3, type TestS3 } from '../../s3.ts';

const forever = new AbortController().signal;
const WEIGHTS = 'weights after 20 iterations';
const PATH = 'projects/GLEE/clip/pytorch_model.bin';

describe('weights on a host', () => {
  let s3: TestS3;
  let file: WeightsFile;
  before(async () => {
    s3 = await startTestS3();
    file = await storeFile(s3.store, WEIGHTS);
  });
  after(() => s3.stop());

  describe('placeWeights, from the checkout', () => {
    const sums = { sha256: sha256('initial'), sizeBytes: 7 };

    it('gives the path of a file that is the one that the plan names', async (test) => {
      const host = await makeHost(test);
      await writeInto(host.checkout, 'weights/initial.pth', 'initial');
      const weights = { kind: 'checkout', path: 'weights/initial.pth', ...sums } as const;
      assert.equal(
        await placeWeights({ ...host, store: s3.store }, weights, forever),
        join(host.checkout, 'weights/initial.pth'),
      );
    });

    it('calls another file under that name WrongWeights, be it longer or not', async (test) => {
      const host = await makeHost(test);
      const weights = { kind: 'checkout', path: 'weights/initial.pth', ...sums } as const;
      for (const content of ['INITIAL', 'initial weights', '']) {
        await writeInto(host.checkout, weights.path, content);
        await assert.rejects(placeWeights({ ...host, store: s3.store }, weights, forever), {
          type: 'WrongWeights',
          message: `${join(host.checkout, weights.path)} is not the file that the run was planned with (sha256 ${sums.sha256})`,
        });
      }
    });

    it('calls a file that is not on the host MissingFile', async (test) => {
      const host = await makeHost(test);
      const weights = { kind: 'checkout', path: 'weights/none.pth', ...sums } as const;
      await assert.rejects(placeWeights({ ...host, store: s3.store }, weights, forever), {
        type: 'MissingFile',
        message: `initial weights ${join(host.checkout, 'weights/none.pth')} are not on this host`,
      });
    });

    it('follows links, as checkouts have them to large files', async (test) => {
      const host = await makeHost(test);
      await writeInto(host.scratch, 'elsewhere.pth', 'initial');
      await symlink(join(host.scratch, 'elsewhere.pth'), join(host.checkout, 'linked.pth'));
      const weights = { kind: 'checkout', path: 'linked.pth', ...sums } as const;
      assert.equal(
        await placeWeights({ ...host, store: s3.store }, weights, forever),
        join(host.checkout, 'linked.pth'),
      );
    });

    it('takes no path for a checksum: the cache is not left', async (test) => {
      const host = await makeHost(test);
      const artifact = { ...file, sha256: '../../stolen' };
      await assert.rejects(
        placeWeights({ ...host, store: s3.store }, { kind: 'artifact', artifact }, forever),
        { type: 'WrongWeights', message: "'../../stolen' is not a SHA-256" },
      );
    });

    it('does not leave the checkout', async (test) => {
      const host = await makeHost(test);
      await writeInto(host.scratch, 'initial.pth', 'initial');
      const weights = { kind: 'checkout', path: '../scratch/initial.pth', ...sums } as const;
      await assert.rejects(placeWeights({ ...host, store: s3.store }, weights, forever), {
        type: 'InvalidConfig',
      });
    });
  });

  describe('placeWeights, from an artifact', () => {
    it('fetches the file once, whatever the number of stages that begin from it', async (test) => {
      const host = await makeHost(test);
      const { store, requests } = recording(s3.store);
      const weights = { kind: 'artifact', artifact: file } as const;
      const path = await placeWeights({ ...host, store }, weights, forever);
      assert.equal(await readFile(path, 'utf8'), WEIGHTS);
      assert.equal(await placeWeights({ ...host, store }, weights, forever), path);
      assert.equal(requests.length, 1);
    });

    it('fetches it again when the host has damaged its copy', async (test) => {
      const host = await makeHost(test);
      const weights = { kind: 'artifact', artifact: file } as const;
      const path = await placeWeights({ ...host, store: s3.store }, weights, forever);
      await writeFile(path, 'damaged');
      await placeWeights({ ...host, store: s3.store }, weights, forever);
      assert.equal(await readFile(path, 'utf8'), WEIGHTS);
    });

    it('refuses an object that is damaged', async (test) => {
      const host = await makeHost(test);
      const damaged = await storeFile(s3.store, 'good weights', 'evil weights');
      const weights = { kind: 'artifact', artifact: damaged } as const;
      await assert.rejects(placeWeights({ ...host, store: s3.store }, weights, forever), {
        type: 'WrongWeights',
      });
    });

    it('needs no S3 for the final weights that this host itself has trained', async (test) => {
      const host = await makeHost(test);
      const trained = join(host.root, 'model_final.pth');
      await writeFile(trained, WEIGHTS);
      await keepAsWeights(host.scratch, trained, file.sha256);
      await rm(trained);
      const { store, requests } = recording(s3.store);
      const weights = { kind: 'artifact', artifact: file } as const;
      assert.equal(await readFile(await placeWeights({ ...host, store }, weights, forever), 'utf8'), WEIGHTS);
      assert.deepEqual(requests, []);
    });
  });

  describe('placeFile', () => {
    it('puts the file where GLEE looks, without a second copy of it', async (test) => {
      const host = await makeHost(test);
      await placeFile({ ...host, store: s3.store }, { path: PATH, file }, forever);
      const target = join(host.checkout, PATH);
      assert.equal(await readFile(target, 'utf8'), WEIGHTS);
      assert.equal((await stat(target)).ino, (await stat(cachePath(host.scratch, file))).ino);
      assert.deepEqual(await readdir(join(target, '..')), ['pytorch_model.bin']);
    });

    it('asks S3 for nothing when an earlier attempt has put it there', async (test) => {
      const host = await makeHost(test);
      const { store, requests } = recording(s3.store);
      for (let attempt = 0; attempt < 3; attempt += 1) {
        await placeFile({ ...host, store }, { path: PATH, file }, forever);
      }
      assert.equal(requests.length, 1);
    });

    it('fetches again what the machine had not written down when it lost power', async (test) => {
      const host = await makeHost(test);
      const places = { ...host, store: s3.store };
      await placeFile(places, { path: PATH, file }, forever);
      const target = join(host.checkout, PATH);
      // As many bytes, none of them written, and last used before this boot.
      await writeFile(target, Buffer.alloc(WEIGHTS.length));
      await utimes(target, 1, 1);
      await placeFile(places, { path: PATH, file }, forever);
      assert.equal(await readFile(target, 'utf8'), WEIGHTS);
    });

    it('is content with a file of the same bytes that someone else has put there', async (test) => {
      const host = await makeHost(test);
      await writeInto(host.checkout, PATH, WEIGHTS);
      const { store, requests } = recording(s3.store);
      await placeFile({ ...host, store }, { path: PATH, file }, forever);
      assert.deepEqual(requests, []);
    });

    it("never touches another file under that name: it is someone's", async (test) => {
      const host = await makeHost(test);
      await writeInto(host.checkout, PATH, 'mine');
      await assert.rejects(placeFile({ ...host, store: s3.store }, { path: PATH, file }, forever), {
        type: 'WrongWeights',
        message: /clip\/pytorch_model\.bin is not encoder \(sha256 [0-9a-f]{64}\): move it away, or name it/,
      });
      assert.equal(await readFile(join(host.checkout, PATH), 'utf8'), 'mine');
    });

    it('leaves nothing where the object is damaged', async (test) => {
      const host = await makeHost(test);
      const damaged = await storeFile(s3.store, 'good file', 'evil file');
      const placing = placeFile({ ...host, store: s3.store }, { path: PATH, file: damaged }, forever);
      await assert.rejects(placing, { type: 'WrongWeights' });
      assert.deepEqual(await readdir(host.checkout), []);
    });

    it('does not leave the checkout', async (test) => {
      const host = await makeHost(test);
      const placing = placeFile({ ...host, store: s3.store }, { path: '../evil.pth', file }, forever);
      await assert.rejects(placing, { type: 'InvalidConfig' });
    });
  });

  describe('trimCache', () => {
    it('removes the least recently used first, and only until the rest fits', async (test) => {
      const { scratch } = await makeHost(test);
      const [old, middle, young] = await fillCache(scratch);
      assert.deepEqual(sums(await trimCache(scratch, 25, new Set())), [middle, young]);
      assert.deepEqual(sums(await trimCache(scratch, 25, new Set())), [middle, young]);
      assert.ok(!(await readdir(join(scratch, 'weights'))).includes(`${old ?? ''}.pth`));
    });

    it('never removes what is in use, however old', async (test) => {
      const { scratch } = await makeHost(test);
      const [old = '', , young] = await fillCache(scratch);
      assert.deepEqual(sums(await trimCache(scratch, 20, new Set([old]))), [old, young]);
      assert.deepEqual(sums(await trimCache(scratch, 0, new Set([old]))), [old]);
    });

    it('counts a use as such: what a stage has begun from stays longest', async (test) => {
      const host = await makeHost(test);
      const [old = ''] = await fillCache(host.scratch);
      const artifact = { ...file, sha256: old, sizeBytes: 10 };
      await placeWeights({ ...host, store: s3.store }, { kind: 'artifact', artifact }, forever);
      assert.deepEqual(sums(await trimCache(host.scratch, 10, new Set())), [old]);
    });

    it('leaves what is not of its making', async (test) => {
      const { scratch } = await makeHost(test);
      await writeInto(scratch, 'weights/notes.txt', 'mine');
      assert.deepEqual(await trimCache(scratch, 0, new Set()), []);
      assert.deepEqual(await readdir(join(scratch, 'weights')), ['notes.txt']);
    });
  });
});

async function makeHost(test: TestContext) {
  const root = await temporaryFolder(test);
  const [scratch, checkout] = [join(root, 'scratch'), join(root, 'glee')];
  await mkdir(checkout);
  return { root, scratch, checkout };
}

/** Three files of ten bytes; the first was used longest ago. */
async function fillCache(scratch: string): Promise<string[]> {
  const contents = ['the oldest', 'the middle', 'the newest'];
  await Promise.all(
    contents.map(async (content, index) => {
      const name = `weights/${sha256(content)}.pth`;
      await writeInto(scratch, name, content);
      const usedAt = new Date(2026, 0, 1 + index);
      await utimes(join(scratch, name), usedAt, usedAt);
    }),
  );
  return contents.map(sha256);
}

function sums(files: readonly { readonly sha256: string }[]): string[] {
  return files.map((entry) => entry.sha256);
}

function cachePath(scratch: string, { sha256: sum }: WeightsFile): string {
  return join(scratch, 'weights', `${sum}.pth`);
}

/** A file in S3 whose object may be another than its checksum says. */
async function storeFile(store: ObjectStore, promised: string, stored = promised): Promise<WeightsFile> {
  const key = `files/${sha256(promised)}`;
  await store.writeText(key, stored);
  const sizeBytes = Buffer.byteLength(promised);
  return { name: 'encoder', bucket: 'glee', key, sha256: sha256(promised), sizeBytes };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
