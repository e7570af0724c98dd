import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { keys } from '../../../contracts/ids.ts';
import { commitCheckpoint } from '../../../activities/checkpoints/commit.ts';
import { claimHead, readHead } from '../../../activities/checkpoints/head.ts';
import { prune } from '../../../activities/checkpoints/prune.ts';
import { sha256OfObject } from '../../../activities/storage/sha256-of-object.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { startS3Proxy } from '../storage/s3-proxy.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { save } from './saved.ts';

const forever = new AbortController().signal;
const PROCESS = fileURLToPath(new URL('./commit-process.js', import.meta.url));
/** More than one part, so that the upload's own requests are among those that are the last. */
const FILE_BYTES = 40 << 20;

let s3: TestS3;
before(async () => (s3 = await startTestS3()));
after(() => s3.stop());

/** Kills the process when S3 has answered its request of that number, which it does not hear. @returns Whether there were so many. */
async function commitUntil(last: number, run: string, path: string): Promise<boolean> {
  let kill: () => void = () => undefined;
  let made = 0;
  const proxy = await startS3Proxy(s3, () => {
    made += 1;
    return made >= last ? { kind: 'lost', then: () => kill() } : undefined;
  });
  try {
    const env = { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.endpoint };
    const writer = execa(process.execPath, [PROCESS, run, '1', '20', path], { env, reject: false });
    kill = () => void writer.kill('SIGKILL');
    const { isTerminated, stderr } = await writer;
    assert.ok(isTerminated || stderr === '', stderr);
    return isTerminated;
  } finally {
    await proxy.stop();
  }
}

it('a writer killed after any of its requests loses no good checkpoint, and leaves nothing that prune does not find', async (test) => {
  const path = join(await temporaryFolder(test), 'model_0000019.pth');
  await writeFile(path, randomBytes(FILE_BYTES));
  let killed = true;
  let last = 0;
  while (killed) {
    last += 1;
    assert.ok(last < 60, 'a commit takes a few requests');
    const run = `killed-${last}`;
    const stage = { run, stage: 'stage1' };
    const good = await commitCheckpoint(s3.store, await save(test, { run, iterations: 10 }), forever);
    killed = await commitUntil(last, run, path);

    const newest = (await readHead(s3.store, stage))?.checkpoint;
    assert.ok(newest?.iterations === 10 || newest?.iterations === 20, `after request ${last}`);
    assert.equal(await sha256OfObject(s3, newest.file.key, forever), newest.file.sha256);

    await claimHead(s3.store, stage, 2);
    await prune(s3, stage, { retention: { newest: 2 }, running: true, graceMs: 0 }, forever);
    const kept = new Set([good.file.key, newest.file.key]);
    const files = (await s3.objects.listAll(keys.attempts(run, 'stage1'), forever)).map(({ name }) => name);
    const wanted = [...kept].flatMap((key) => [key, `${key}.json`]).sort();
    assert.deepEqual(files.sort(), wanted, `what is left after request ${last}`);
    assert.deepEqual(await s3.uploads.list(keys.attempts(run, 'stage1'), forever), []);
  }
  test.diagnostic(`killed after each of ${last - 1} requests`);
  assert.ok(last - 1 >= 6, 'head, file, manifest, head at least');
});
