import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { keys } from '../../../contracts/ids.ts';
import { commitCheckpoint } from '../../../activities/checkpoints/commit.ts';
import { claimHead, readHead } from '../../../activities/checkpoints/head.ts';
import { sha256OfFile } from '../../../activities/files/atomic-files.ts';
import { checkpointSchema, readObject } from '../../../activities/storage/schemas.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { save } from './saved.ts';
import { intercept, Killed, killedAfter, recording, startTestS3, type TestS3 } from '../s3.ts';

const forever = new AbortController().signal;
/** Reads the head, uploads the file, looks at it, writes the manifest, reads the head, writes it: five of ours. */
const REQUESTS = 5;

describe('commitCheckpoint', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('stores file, manifest and head, in this order', async (test) => {
    const saved = await save(test, { run: 'order', iterations: 10 });
    const { store, requests } = recording(s3.store);
    const committed = await commitCheckpoint(store, saved, forever);
    const attempt = keys.attempt('order', 'stage1', 1);
    const writes = requests.filter((request) => !request.startsWith('readText'));
    assert.deepEqual(writes, [
      `upload ${attempt}/model_0000009.pth`,
      `writeText ${attempt}/model_0000009.pth.json`,
      `writeText ${keys.head('order', 'stage1')}`,
    ]);
    assert.equal(requests.length, REQUESTS);
    assert.deepEqual((await readHead(s3.store, saved))?.checkpoint, committed);
    const manifest = await readObject(s3.store, `${attempt}/model_0000009.pth.json`, checkpointSchema);
    assert.deepEqual(manifest?.value, committed);
  });

  it('stores what can be fetched again, byte for byte', async (test) => {
    const saved = await save(test, { run: 'fetched', iterations: 10 });
    const { file } = await commitCheckpoint(s3.store, saved, forever);
    const copy = join(await temporaryFolder(test), 'copy.pth');
    await s3.store.download({ fullKey: file.key, ...file }, copy, forever);
    assert.equal(await sha256OfFile(copy), await sha256OfFile(saved.path));
  });

  it('leaves the last good checkpoint in place wherever its process is killed', async (test) => {
    for (let requests = 0; requests < REQUESTS; requests += 1) {
      const run = `killed-${requests}`;
      const good = await commitCheckpoint(s3.store, await save(test, { run, iterations: 10 }), forever);
      const next = await save(test, { run, iterations: 20 });
      await assert.rejects(commitCheckpoint(killedAfter(s3.store, requests), next, forever), Killed);
      const head = await readHead(s3.store, next);
      assert.deepEqual(head, { token: 1, checkpoint: good }, `after ${requests} requests`);
      await commitCheckpoint(s3.store, next, forever);
      assert.equal(
        (await readHead(s3.store, next))?.checkpoint?.iterations,
        20,
        'the next worker commits it',
      );
    }
  });

  it('commits once however often it is asked, and uploads the bytes once', async (test) => {
    const saved = await save(test, { run: 'again', iterations: 10 });
    const first = await commitCheckpoint(s3.store, saved, forever);
    const { store, requests } = recording(s3.store);
    assert.deepEqual(await commitCheckpoint(store, saved, forever), first);
    assert.deepEqual(
      requests.filter((request) => request.startsWith('upload')),
      [],
    );
    assert.deepEqual((await readHead(s3.store, saved))?.checkpoint, first);
  });

  it('stores the final weights as the file of the numbered checkpoint that has the same bytes', async (test) => {
    const numbered = await save(test, { run: 'same', iterations: 30, content: 'the end' });
    const final = await save(test, {
      run: 'same',
      iterations: 30,
      content: 'the end',
      name: 'model_final.pth',
    });
    const { file } = await commitCheckpoint(s3.store, numbered, forever);
    const committed = await commitCheckpoint(s3.store, { ...final, final: true }, forever);
    assert.deepEqual(committed.file, file);
    assert.deepEqual((await readHead(s3.store, final))?.checkpoint, committed);
    assert.equal(committed.final, true);
  });

  it('takes an answer that was lost for what it is: the next try finds all done', async (test) => {
    for (const lost of ['upload', 'writeText'] as const) {
      const saved = await save(test, { run: `lost-${lost}`, iterations: 10 });
      const unlucky = intercept(s3.store, {
        after: ({ operation }) =>
          operation === lost ? Promise.reject(new Error('socket hang up')) : Promise.resolve(),
      });
      await assert.rejects(commitCheckpoint(unlucky, saved, forever), /socket hang up/);
      const committed = await commitCheckpoint(s3.store, saved, forever);
      assert.deepEqual(await readHead(s3.store, saved), { token: 1, checkpoint: committed });
    }
  });

  it('is refused when a newer attempt has the stage, though it was first to upload', async (test) => {
    const saved = await save(test, { run: 'late', iterations: 10 });
    const overtaken = intercept(s3.store, {
      after: async ({ operation }) => {
        if (operation === 'upload') await claimHead(s3.store, saved, 2);
      },
    });
    await assert.rejects(commitCheckpoint(overtaken, saved, forever), { type: 'Superseded' });
    assert.deepEqual(await readHead(s3.store, saved), { token: 2, checkpoint: null });
  });

  it('uploads nothing for an attempt that was replaced before', async (test) => {
    const saved = await save(test, { run: 'replaced', iterations: 10 });
    await claimHead(s3.store, saved, 2);
    const { store, requests } = recording(s3.store);
    await assert.rejects(commitCheckpoint(store, saved, forever), { type: 'Superseded' });
    assert.deepEqual(
      requests.filter((request) => request.startsWith('upload')),
      [],
    );
  });

  it('changes nothing once it is told to stop', async (test) => {
    const saved = await save(test, { run: 'stopped', iterations: 10 });
    const abort = new AbortController();
    const stopping = intercept(s3.store, {
      after: ({ operation }) => {
        if (operation === 'upload') abort.abort();
        return Promise.resolve();
      },
    });
    await assert.rejects(commitCheckpoint(stopping, saved, abort.signal), { name: 'AbortError' });
    assert.equal(await readHead(s3.store, saved), undefined);
  });
});
