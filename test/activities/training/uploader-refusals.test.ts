import assert from 'node:assert/strict';
import { mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { execa } from 'execa';
import type { Checkpoint } from '../../../contracts/checkpoints.ts';
import { readHead } from '../../../activities/checkpoints/head.ts';
import { Uploader } from '../../../activities/training/files/uploader.ts';
import { torchFileProblem } from '../../../activities/torch-file/checkpoint.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { torchFile } from '../../fixtures/torch-file.ts';
import { startTestS3, type TestS3 } from '../s3.ts';

const forever = new AbortController().signal;

describe('Uploader, of files that are no checkpoints', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('uploads nothing through a link, and waits for no pipe', async (test) => {
    const { uploader, output, committed } = await make(test);
    const secret = join(await temporaryFolder(test), 'secret');
    await writeFile(secret, torchFile('a secret'));
    await symlink(secret, join(output, 'model_0000009.pth'));
    await execa('mkfifo', [join(output, 'model_0000019.pth')]);
    for (const name of ['model_0000009.pth', 'model_0000019.pth']) {
      await writeFile(join(output, 'last_checkpoint'), name);
      assert.equal(await uploader.isBehind(), false);
      await uploader.catchUp(forever);
    }
    assert.equal(await committed(), undefined);
  });

  it('commits nothing from beyond the end of its stage, and says so', async (test) => {
    const { uploader, output, committed } = await make(test);
    await save(output, 'model_0000030.pth', torchFile('31 iterations'));
    await uploader.catchUp(forever);
    assert.equal(await committed(), undefined);
    assert.equal(uploader.trouble, 'model_0000030.pth is not uploaded: the stage has 30 iterations');
    assert.equal(await uploader.isBehind(), false, 'it is not tried again');
  });

  it('commits no file that is not whole, but the next one that is', async (test) => {
    const { uploader, output, committed } = await make(test);
    await save(output, 'model_0000009.pth', torchFile('ten iterations'));
    await truncate(join(output, 'model_0000009.pth'), 40);
    await uploader.catchUp(forever);
    assert.match(uploader.trouble ?? '', /^model_0000009\.pth is not uploaded: .* is truncated/);
    await save(output, 'model_0000019.pth', Buffer.from('twenty iterations'));
    await uploader.catchUp(forever);
    assert.match(uploader.trouble ?? '', /^model_0000019\.pth is not uploaded: .* is not a torch file/);
    assert.equal(await committed(), undefined);
    await save(output, 'model_0000019.pth', torchFile('twenty iterations'));
    await uploader.catchUp(forever);
    assert.equal((await committed())?.iterations, 20);
    assert.equal(uploader.trouble, undefined);
  });

  it('leaves the checkpoint on a full disk that its trainer has still to load', async (test) => {
    const file = { key: 'k', sha256: 'a'.repeat(64), sizeBytes: 1 };
    const resumedFrom = { name: 'model_0000009.pth', iterations: 10, final: false, file };
    const { uploader, output } = await make(test, resumedFrom);
    await save(output, 'model_0000009.pth', torchFile('ten iterations'));
    await uploader.removeReplaced(false);
    assert.deepEqual(await readdir(output), ['last_checkpoint', 'model_0000009.pth']);
    await uploader.removeReplaced(true);
    assert.deepEqual(await readdir(output), ['last_checkpoint']);
  });

  let stages = 0;

  async function make(test: TestContext, from?: Pick<Checkpoint, 'name' | 'iterations' | 'final' | 'file'>) {
    stages += 1;
    const stage = { run: `run-${stages}`, stage: 'stage1' };
    const output = join(await temporaryFolder(test), 'out');
    await mkdir(output);
    const resumedFrom = from === undefined ? null : { ...stage, token: 1, savedAt: 1, ...from };
    const options = { ...stage, bucket: s3, token: 1, output, maxIterations: 30, resumedFrom };
    const uploader = new Uploader({ ...options, problemOf: torchFileProblem });
    return { uploader, output, committed: async () => (await readHead(s3.store, stage))?.checkpoint };
  }
});

async function save(output: string, name: string, content: Buffer): Promise<void> {
  await writeFile(join(output, name), content);
  await writeFile(join(output, 'last_checkpoint'), name);
}
