import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Checkpoint, Retention } from '../../../../contracts/checkpoints.ts';
import { addTimes } from '../../../../activities/checkpoints/commit.ts';
import { claimHead, commitHead, readHead } from '../../../../activities/checkpoints/head.ts';
import { takeSnapshot } from '../../../../activities/checkpoints/snapshot.ts';
import type { ObjectStore } from '../../../../activities/storage/ports/object-store.ts';
import { Uploader } from '../../../../activities/training/files/uploader.ts';
import { temporaryFolder } from '../../../fixtures/glee-checkout.ts';
import { until } from '../../../support/until.ts';
import { intercept, recording, startTestS3, type TestS3 } from '../../s3.ts';

const forever = new AbortController().signal;

describe('Uploader', () => {
  let s3: TestS3;
  before(async () => (server = s3 = await startTestS3()));
  after(() => s3.stop());

  it('does nothing before the trainer has finished a checkpoint', async (test) => {
    const { uploader, output, requests } = await makeUploader(test, s3.store);
    // detectron2 writes the file, then the pointer: without the pointer the file may be half.
    await writeFile(join(output, 'model_0000009.pth'), 'half a ch');
    assert.equal(await uploader.isBehind(), false);
    await uploader.catchUp(forever);
    assert.deepEqual(requests, []);
    assert.equal(uploader.committed, null);
  });

  it('commits what the pointer names, once', async (test) => {
    const { uploader, output, requests, head } = await makeUploader(test, s3.store);
    await save(output, 'model_0000009.pth');
    assert.equal(await uploader.isBehind(), true);
    await uploader.catchUp(forever);
    assert.equal(await uploader.isBehind(), false);
    assert.equal(uploader.committed?.iterations, 10);
    assert.deepEqual((await head())?.checkpoint, uploader.committed);
    const made = requests.length;
    await uploader.catchUp(forever);
    assert.equal(requests.length, made);
  });

  it('takes model_final.pth for all iterations, and for the end', async (test) => {
    const { uploader, output } = await makeUploader(test, s3.store);
    await save(output, 'model_final.pth');
    await uploader.catchUp(forever);
    assert.deepEqual([uploader.committed?.iterations, uploader.committed?.final], [30, true]);
  });

  it('reads a pointer with a newline, as some write it by hand', async (test) => {
    const { uploader, output } = await makeUploader(test, s3.store);
    await save(output, 'model_0000019.pth');
    await writeFile(join(output, 'last_checkpoint'), 'model_0000019.pth\n');
    await uploader.catchUp(forever);
    assert.equal(uploader.committed?.iterations, 20);
  });

  it('does not believe a pointer that names anything but a checkpoint that is there', async (test) => {
    const { uploader, output, requests } = await makeUploader(test, s3.store);
    await save(output, 'model_0000009.pth');
    await writeFile(join(output, '..', 'secret.pth'), 'not yours');
    const junk = [
      '',
      '\n',
      '../secret.pth',
      '/etc/passwd',
      'model_9.pth',
      'model_best.pth',
      'model_0000019.pth',
      '\0',
    ];
    for (const text of junk) {
      await writeFile(join(output, 'last_checkpoint'), text);
      assert.equal(await uploader.isBehind(), false, JSON.stringify(text));
      await uploader.catchUp(forever);
    }
    assert.deepEqual(requests, []);
  });

  it('does not upload again what the attempt began from', async (test) => {
    const first = await makeUploader(test, s3.store);
    await save(first.output, 'model_0000009.pth');
    await first.uploader.catchUp(forever);
    const { uploader, output, requests } = await makeUploader(test, s3.store, first.uploader.committed);
    await save(output, 'model_0000009.pth');
    assert.equal(await uploader.isBehind(), false);
    await uploader.catchUp(forever);
    assert.deepEqual(requests, []);
    assert.equal(uploader.committed?.iterations, 10);
  });

  it('leaves the checkpoint that it resumes from on a full disk until the trainer has loaded it', async (test) => {
    const first = await makeUploader(test, s3.store);
    await save(first.output, 'model_0000009.pth');
    await first.uploader.catchUp(forever);
    const { uploader, output } = await makeUploader(test, s3.store, first.uploader.committed);
    await save(output, 'model_0000009.pth');
    await uploader.removeReplaced(false);
    assert.ok((await readdir(output)).includes('model_0000009.pth'));
    await uploader.removeReplaced(true);
    assert.ok(!(await readdir(output)).includes('model_0000009.pth'));
  });

  it('takes up what the worker before it had committed, without storing the bytes again', async (test) => {
    const { uploader, output, again, requests } = await makeUploader(test, s3.store);
    await save(output, 'model_0000009.pth');
    await uploader.catchUp(forever);
    requests.length = 0;
    const adopted = again();
    await adopted.catchUp(forever);
    assert.deepEqual(adopted.committed, uploader.committed);
    assert.deepEqual(
      requests.filter((request) => request.startsWith('upload')),
      [],
    );
  });

  it('goes from the newest to the newest, and passes over those that came in between', async (test) => {
    let blocked: (() => void) | undefined;
    const slow = intercept(s3.store, {
      before: ({ operation, name }) =>
        operation === 'upload' && name.endsWith('model_0000009.pth')
          ? new Promise((resolve) => (blocked = resolve))
          : Promise.resolve(),
    });
    const { uploader, output, requests, head } = await makeUploader(test, slow);
    await save(output, 'model_0000009.pth');
    const caughtUp = uploader.catchUp(forever);
    const release = await until('the first upload to begin', () => blocked);
    for (const name of ['model_0000019.pth', 'model_0000029.pth', 'model_final.pth'])
      await save(output, name);
    release();
    await caughtUp;
    const uploads = requests.filter((request) => request.startsWith('upload'));
    assert.deepEqual(
      uploads.map((request) => request.replace(/.*\//, '')),
      ['model_0000009.pth', 'model_final.pth'],
    );
    assert.equal((await head())?.checkpoint?.final, true);
  });

  it('removes older files from the host, once the newer is safe in S3 and not before', async (test) => {
    let failures = 1;
    const failing = intercept(s3.store, {
      before: ({ operation, name }) => {
        if (operation !== 'writeText' || !name.endsWith('head.json') || failures === 0)
          return Promise.resolve();
        failures -= 1;
        return readdir(output).then((files) => {
          assert.ok(files.includes('model_0000009.pth'));
          throw new Error('not now');
        });
      },
    });
    const { uploader, output } = await makeUploader(test, failing);
    for (const name of ['model_0000009.pth', 'model_0000019.pth', 'model_0000029.pth'])
      await save(output, name);
    await writeFile(join(output, 'last_checkpoint'), 'model_0000019.pth');
    await writeFile(join(output, 'metrics.json'), '{}');
    await uploader.catchUp(forever);
    assert.equal(failures, 0);
    const left = ['last_checkpoint', 'metrics.json', 'model_0000019.pth', 'model_0000029.pth'];
    assert.deepEqual((await readdir(output)).sort(), left);
  });

  it('leaves only the final weights once they are safe', async (test) => {
    const { uploader, output } = await makeUploader(test, s3.store);
    for (const name of ['model_0000019.pth', 'model_0000029.pth', 'model_final.pth'])
      await save(output, name);
    await uploader.catchUp(forever);
    assert.deepEqual((await readdir(output)).sort(), ['last_checkpoint', 'model_final.pth']);
  });

  it('stops when a newer attempt has the stage, instead of trying on', async (test) => {
    const { uploader, output, stage, head } = await makeUploader(test, s3.store);
    await save(output, 'model_0000009.pth');
    await claimHead(s3.store, stage, 2);
    await assert.rejects(uploader.catchUp(forever), { type: 'Superseded' });
    assert.deepEqual(await head(), { token: 2, checkpoint: null });
    assert.deepEqual((await readdir(output)).sort(), ['last_checkpoint', 'model_0000009.pth']);
  });

  it('tries on while S3 is away, says so, and commits the newest when it is back', async (test) => {
    const { uploader, output, head } = await makeUploader(test, s3.store);
    await save(output, 'model_0000009.pth');
    s3.process.kill('SIGSTOP');
    const caughtUp = uploader.catchUp(forever);
    s3.process.kill('SIGKILL');
    await save(output, 'model_0000019.pth');
    await caughtUp;
    assert.equal(uploader.trouble, undefined);
    assert.equal(uploader.committed?.iterations, 20);
    assert.equal((await head())?.checkpoint?.iterations, 20);
  });

  it('says what is in the way, with the name of the checkpoint, until it is not', async (test) => {
    let away = true;
    const store = intercept(s3.store, {
      before: () =>
        away ? Promise.reject(new Error('S3 read failed: connect ECONNREFUSED')) : Promise.resolve(),
    });
    const { uploader, output } = await makeUploader(test, store);
    await save(output, 'model_0000009.pth');
    const caughtUp = uploader.catchUp(forever);
    const trouble = await until('the trouble to be told', () => uploader.trouble);
    assert.equal(trouble, 'upload of model_0000009.pth is tried again: S3 read failed: connect ECONNREFUSED');
    assert.equal(uploader.committed, null);
    away = false;
    await caughtUp;
    assert.equal(uploader.trouble, undefined);
  });

  it('lets go at once when it is told to, though S3 does not answer', async (test) => {
    const { uploader, output } = await makeUploader(test, s3.store);
    await save(output, 'model_0000009.pth');
    s3.process.kill('SIGSTOP');
    try {
      const abort = new AbortController();
      const failed = assert.rejects(uploader.catchUp(abort.signal), { name: 'AbortError' });
      const abortedAt = performance.now();
      abort.abort();
      await failed;
      assert.ok(performance.now() - abortedAt < 1000);
    } finally {
      s3.process.kill('SIGCONT');
    }
  });

  it('keeps in S3 what retention says, and stores late what is kept for ever', async (test) => {
    let away = true;
    const sometimes = intercept(s3.store, {
      before: ({ operation }) =>
        away && operation === 'upload' ? Promise.reject(new Error('S3 is away')) : Promise.resolve(),
    });
    const { uploader, output, stage } = await makeUploader(test, sometimes, null, { newest: 2, every: 10 });
    await save(output, 'model_0000004.pth');
    await save(output, 'model_0000009.pth');
    await save(output, 'model_0000014.pth');
    const caughtUp = uploader.catchUp(forever);
    await until('the trouble to show', () => uploader.trouble?.includes('S3 is away'));
    away = false;
    await caughtUp;
    assert.equal(uploader.committed?.iterations, 15);
    assert.deepEqual((await readdir(output)).sort(), ['last_checkpoint', 'model_0000014.pth']);
    const inS3 = async () =>
      (await takeSnapshot(s3, stage, forever)).checkpoints.map(({ iterations }) => iterations);
    assert.deepEqual(await inS3(), [10, 15], '5 would not have been kept');
    for (const name of ['model_0000019.pth', 'model_0000024.pth', 'model_0000026.pth']) {
      await save(output, name);
      await uploader.catchUp(forever);
    }
    assert.deepEqual(await inS3(), [10, 20, 25, 27]);
  });

  it('commits the final one after what is kept for ever: no attempt looks at the host again afterwards', async (test) => {
    const lost = new AbortController();
    const stored: string[] = [];
    const dying = intercept(s3.store, {
      before: ({ operation, name }) => {
        if (operation === 'upload') stored.push(basename(name));
        if (stored.length === 2) lost.abort();
        return Promise.resolve();
      },
    });
    const { uploader, output, stage } = await makeUploader(test, dying, null, { newest: 2, every: 10 });
    for (const name of ['model_0000009.pth', 'model_0000014.pth', 'model_final.pth'])
      await save(output, name);
    await assert.rejects(uploader.catchUp(lost.signal));
    assert.deepEqual(stored, ['model_0000009.pth', 'model_final.pth']);
    const { checkpoints } = await takeSnapshot(s3, stage, forever);
    assert.deepEqual(
      checkpoints.map(({ iterations }) => iterations),
      [10],
    );
  });

  it('notes beside a checkpoint how long it took', async (test) => {
    const { uploader, output, stage } = await makeUploader(test, s3.store);
    await save(output, 'model_0000009.pth');
    await uploader.catchUp(forever);
    const [stored] = (await takeSnapshot(s3, stage, forever)).checkpoints;
    assert.ok((stored?.times?.upload ?? 0) > 0);
    assert.ok((stored?.times?.commit ?? 0) > 0);
  });

  it('notes what the commit of final weights took, not what their file had taken before', async (test) => {
    const { uploader, output, stage } = await makeUploader(test, s3.store);
    await save(output, 'model_0000029.pth');
    await uploader.catchUp(forever);
    const [numbered] = (await takeSnapshot(s3, stage, forever)).checkpoints;
    assert.ok(numbered);
    const change = () => ({ upload: 36, commit: 1 });
    await addTimes(s3.store, numbered, change, forever);
    await commitHead(s3.store, { ...numbered, times: change() });
    await copyFile(join(output, 'model_0000029.pth'), join(output, 'model_final.pth'));
    await writeFile(join(output, 'last_checkpoint'), 'model_final.pth');
    await uploader.catchUp(forever);
    const final = (await takeSnapshot(s3, stage, forever)).checkpoints.find((one) => one.final);
    assert.equal(final?.file.key, numbered.file.key, 'the bytes are there already');
    const { upload = -1, commit = -1 } = final.times ?? {};
    assert.ok(upload >= 0 && upload < 30 && commit >= 0 && commit < 30, JSON.stringify(final.times));
  });
});

let stages = 0;
let server: TestS3;

/** An uploader of a stage of its own. */
async function makeUploader(
  test: TestContext,
  onto: ObjectStore,
  resumedFrom: Checkpoint | null = null,
  retention?: Retention,
) {
  stages += 1;
  const stage = { run: resumedFrom?.run ?? `run-${stages}`, stage: 'stage1' };
  const output = join(await temporaryFolder(test), 'out');
  await mkdir(output);
  const { store, requests } = recording(onto);
  const bucket = { ...server, store };
  const options = { ...stage, bucket, token: 1, output, maxIterations: 30, resumedFrom };
  const make = () => new Uploader({ ...options, ...(retention && { retention }) });
  return { uploader: make(), again: make, output, requests, stage, head: () => readHead(onto, stage) };
}

/** As detectron2 does: the file, then the pointer. */
async function save(output: string, name: string): Promise<void> {
  await writeFile(join(output, name), `weights of ${name}`);
  await writeFile(join(output, 'last_checkpoint'), name);
}
