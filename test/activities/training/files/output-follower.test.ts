import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { OutputFollower } from '../../../../activities/training/files/output-follower.ts';
import { temporaryFolder } from '../../../fixtures/glee-checkout.ts';
import { intercept, recording, startTestS3, type TestS3 } from '../../s3.ts';

const forever = new AbortController().signal;

describe('OutputFollower', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  async function makeFollower(test: TestContext, target: string, onto = s3.store) {
    const scratch = await temporaryFolder(test);
    const output = join(scratch, 'out');
    await mkdir(join(output, 'inference'), { recursive: true });
    const { store, requests } = recording(onto);
    const follower = new OutputFollower({ store, output, scratch, target });
    const sent = () => requests.splice(0).map((request) => request.replace(`upload ${target}/`, ''));
    return { follower, output, scratch, sent };
  }

  it('sends what has changed, folders and all, and no checkpoints', async (test) => {
    const { follower, output, scratch, sent } = await makeFollower(test, 'changed');
    await writeFile(join(output, 'metrics.json'), '{}\n');
    await writeFile(join(output, 'inference/results.json'), '[1, 2]\n');
    for (const name of ['model_0000009.pth', 'model_0000009.pth.x.tmp', 'last_checkpoint', 'a.tmp'])
      await writeFile(join(output, name), 'x');
    await follower.catchUp(forever);
    assert.deepEqual(sent(), ['metrics.json', 'inference/results.json']);
    await appendFile(join(output, 'metrics.json'), '{}\n');
    await follower.catchUp(forever);
    assert.deepEqual(sent(), ['metrics.json']);
    assert.equal((await s3.store.readText('changed/metrics.json'))?.text, '{}\n{}\n');
    await follower.catchUp(forever);
    assert.deepEqual(sent(), []);
    assert.deepEqual(await readdir(scratch), ['out'], 'no copy is left');
  });

  it('sends a large file again only when it has grown by a tenth', async (test) => {
    const { follower, output, sent } = await makeFollower(test, 'large');
    const events = join(output, 'events.out.tfevents');
    await writeFile(events, '');
    const sizes = [65, 66, 72].map((mebibytes) => mebibytes << 20);
    const was: number[] = [];
    for (const size of sizes) {
      await truncate(events, size);
      await follower.catchUp(forever);
      was.push(sent().length);
    }
    assert.deepEqual(was, [1, 0, 1]);
  });

  it('says what is in the way, and sends it when that is gone', async (test) => {
    let away = true;
    const onto = intercept(s3.store, {
      before: () => (away ? Promise.reject(new Error('S3 is away')) : Promise.resolve()),
    });
    const { follower, output } = await makeFollower(test, 'away', onto);
    await writeFile(join(output, 'log.txt'), 'a line\n');
    await follower.catchUp(forever);
    assert.equal(follower.trouble, 'S3 is away');
    away = false;
    await follower.catchUp(forever);
    assert.equal(follower.trouble, undefined);
    assert.equal((await s3.store.readText('away/log.txt'))?.text, 'a line\n');
  });

  it('has nothing to do where there is no output yet', async (test) => {
    const scratch = await temporaryFolder(test);
    const follower = new OutputFollower({
      store: s3.store,
      output: join(scratch, 'none'),
      scratch,
      target: 'none',
    });
    await follower.catchUp(forever);
    assert.equal(follower.trouble, undefined);
  });
});
