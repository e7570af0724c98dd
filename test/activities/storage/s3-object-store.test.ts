import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import {
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { readHead } from '../../../activities/checkpoints/head.ts';
import { sha256OfFile } from '../../../activities/files/atomic-files.ts';
import { createS3ObjectStore } from '../../../activities/storage/s3-object-store.ts';
import { storageRefusal } from '../../../planning/environment/s3-client.ts';
import { keys } from '../../../contracts/ids.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { until } from '../../support/until.ts';
import { startTestS3, type TestS3 } from '../s3.ts';

const forever = new AbortController().signal;

describe('createS3ObjectStore', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('reads what was written, and nothing where nothing is', async () => {
    assert.equal(await s3.store.writeText('a/b.json', '{"ü": 1}'), 'written');
    assert.equal((await s3.store.readText('a/b.json'))?.text, '{"ü": 1}');
    assert.equal(await s3.store.readText('a/none.json'), undefined);
    assert.equal(await s3.store.readText('a'), undefined);
  });

  it('refuses a text that is far larger than any of ours, and writes none that it would not read', async () => {
    const Body = Buffer.alloc((16 << 20) + 1, ' ');
    await s3.client.send(new PutObjectCommand({ Bucket: 'glee', Key: keys.head('big', 'stage1'), Body }));
    const refusal = {
      name: 'UnreadableObject',
      message:
        /^S3 read failed \[bucket=glee, key=.*head\.json\]: it has more than 16777216 bytes.*move it away/,
    };
    await assert.rejects(readHead(s3.store, { run: 'big', stage: 'stage1' }), refusal);
    await assert.rejects(s3.store.writeText('big.json', Body.toString()), { name: 'UnreadableObject' });
    assert.equal(await s3.store.readText('big.json'), undefined);
  });

  it('keeps all names below its prefix', async () => {
    const team = s3.storeOn('glee', 'team-a/');
    await team.writeText('x.json', 'ours');
    assert.equal(team.keyOf('x.json'), 'team-a/x.json');
    assert.equal((await s3.store.readText('team-a/x.json'))?.text, 'ours');
    assert.equal(await s3.store.readText('x.json'), undefined);
  });

  it('writes on the condition that there is nothing yet only once', async () => {
    const condition = { ifNoneMatch: '*' } as const;
    assert.equal(await s3.store.writeText('once.json', 'first', condition), 'written');
    assert.equal(await s3.store.writeText('once.json', 'second', condition), 'conflict');
    assert.equal((await s3.store.readText('once.json'))?.text, 'first');
  });

  it('writes on the condition of a version only while it is the newest', async () => {
    await s3.store.writeText('version.json', 'one');
    const ifMatch = (await s3.store.readText('version.json'))?.version ?? '';
    assert.equal(await s3.store.writeText('version.json', 'two', { ifMatch }), 'written');
    assert.equal(await s3.store.writeText('version.json', 'three', { ifMatch }), 'conflict');
    assert.equal((await s3.store.readText('version.json'))?.text, 'two');
  });

  it('lets one of many concurrent writers of the same version win', async () => {
    for (let round = 0; round < 10; round += 1) {
      await s3.store.writeText('race.json', `start ${round}`);
      const ifMatch = (await s3.store.readText('race.json'))?.version ?? '';
      const writers = Array.from({ length: 6 }, (_, index) =>
        s3.store.writeText('race.json', `${round} by ${index}`, { ifMatch }),
      );
      const answers = await Promise.all(writers);
      assert.equal(
        answers.filter((answer) => answer === 'written').length,
        1,
        `round ${round}: ${answers.join()}`,
      );
      const winner = answers.indexOf('written');
      assert.equal((await s3.store.readText('race.json'))?.text, `${round} by ${winner}`);
    }
  });

  for (const [size, sizeBytes] of Object.entries({
    empty: 0,
    small: 100_000,
    'of several parts': 40 << 20,
  })) {
    it(`brings back a file that is ${size} as it was`, async (test) => {
      const { path, folder } = await someFile(test, sizeBytes);
      const sha256 = await sha256OfFile(path);
      await s3.store.upload(`files/${size}.pth`, path, forever);
      const copy = join(folder, 'below/copy.pth');
      await s3.store.download({ fullKey: `files/${size}.pth`, sizeBytes, sha256 }, copy, forever);
      assert.equal(await sha256OfFile(copy), sha256);
    });
  }

  it('has S3 keep checksums of what it uploads, in one part and in several', async (test) => {
    for (const sizeBytes of [1000, 20 << 20]) {
      const { path } = await someFile(test, sizeBytes);
      await s3.store.upload('checked.pth', path, forever);
      const command = new HeadObjectCommand({ Bucket: 'glee', Key: 'checked.pth', ChecksumMode: 'ENABLED' });
      const found = await s3.client.send(command);
      assert.ok(found.ChecksumCRC32 !== undefined);
      assert.equal(found.ContentLength, sizeBytes);
    }
  });

  it('refuses an object that is not what was promised, and leaves nothing', async (test) => {
    const { path, folder } = await someFile(test, 5000);
    const sha256 = await sha256OfFile(path);
    await s3.store.upload('damaged.pth', path, forever);
    const wrong = { Bucket: 'glee', Key: 'damaged.pth', Body: randomBytes(5000) };
    await s3.client.send(new PutObjectCommand(wrong));
    const copy = join(folder, 'copies/copy.pth');
    await assert.rejects(
      s3.store.download({ fullKey: 'damaged.pth', sizeBytes: 5000, sha256 }, copy, forever),
      { name: 'WrongContent', message: /expected 5000 bytes with sha256 .*, got 5000 with / },
    );
    assert.deepEqual(await readdir(join(folder, 'copies')), []);
  });

  it('keeps the file that was there when a download fails', async (test) => {
    const { path, folder } = await someFile(test, 10);
    const copy = join(folder, 'copy.pth');
    await writeFile(copy, 'the old one');
    await s3.store.upload('short.pth', path, forever);
    const promised = { fullKey: 'short.pth', sizeBytes: 11, sha256: 'a'.repeat(64) };
    await assert.rejects(s3.store.download(promised, copy, forever), { name: 'WrongContent' });
    assert.equal(await readFile(copy, 'utf8'), 'the old one');
  });

  it('brings one file to one place several times at once without mixing them up', async (test) => {
    const { path, folder } = await someFile(test, 8 << 20);
    const sha256 = await sha256OfFile(path);
    await s3.store.upload('twice.pth', path, forever);
    const copy = join(folder, 'twice/copy.pth');
    const file = { fullKey: 'twice.pth', sizeBytes: 8 << 20, sha256 };
    await Promise.all([1, 2, 3].map(() => s3.store.download(file, copy, forever)));
    assert.equal(await sha256OfFile(copy), sha256);
    assert.deepEqual(await readdir(join(folder, 'twice')), ['copy.pth']);
  });

  it('ends an upload that is aborted, leaves no object, and its parts for when it is begun again', async (test) => {
    const { path } = await someFile(test, 64 << 20);
    const abort = new AbortController();
    // Else it may be over before it is seen.
    const slow = { bytesPerSecond: () => 16 << 20 };
    const upload = s3.store.upload('aborted.pth', path, abort.signal, slow);
    const failed = assert.rejects(upload, { name: 'AbortError' });
    const parts = async () =>
      (await s3.client.send(new ListMultipartUploadsCommand({ Bucket: 'glee' }))).Uploads;
    await until('the upload to be under way', async () => (await parts())?.length === 1);
    abort.abort();
    await failed;
    assert.equal(await s3.store.readText('aborted.pth'), undefined);
    assert.equal((await parts())?.length, 1, 'what S3 has of it is for the next');
    const { sha256 } = await s3.store.upload('aborted.pth', path, forever);
    assert.equal(sha256, await sha256OfFile(path));
    assert.equal(await parts(), undefined);
  });

  it('makes no request for an upload or download that is aborted before it begins', async (test) => {
    const { path, folder } = await someFile(test, 10);
    const gone = AbortSignal.abort();
    await assert.rejects(s3.store.upload('never.pth', path, gone), { name: 'AbortError' });
    const file = { fullKey: 'never.pth', sizeBytes: 10, sha256: 'a'.repeat(64) };
    await assert.rejects(s3.store.download(file, join(folder, 'never/x'), gone), { name: 'AbortError' });
    assert.deepEqual(await readdir(join(folder, 'never')), []);
  });

  it('lets go of requests whose server does not answer when it is told to', async () => {
    s3.process.kill('SIGSTOP');
    const state = () => readFile(`/proc/${s3.process.pid}/stat`, 'utf8');
    await until('the server to stand still', async () => (await state()).includes(') T '));
    try {
      const started = performance.now();
      const signal = AbortSignal.timeout(200);
      await assert.rejects(s3.store.readText('x.json', signal));
      await assert.rejects(s3.store.writeText('x.json', 'text', undefined, signal));
      assert.ok(performance.now() - started < 3000);
    } finally {
      s3.process.kill('SIGCONT');
    }
  });

  it('names operation, bucket and key in its errors, and keeps the name of the cause', async (test) => {
    const nowhere = s3.storeOn('no-such-bucket', 'team-a/');
    const { path, folder } = await someFile(test, 10);
    const file = { fullKey: 'team-a/x', sizeBytes: 10, sha256: 'a'.repeat(64) };
    const calls = {
      read: () => nowhere.readText('x'),
      write: () => nowhere.writeText('x', 'text'),
      upload: () => nowhere.upload('x', path, forever),
      download: () => nowhere.download(file, join(folder, 'y'), forever),
    };
    for (const [operation, call] of Object.entries(calls)) {
      await assert.rejects(call, (error: Error) => {
        assert.equal(error.name, 'NoSuchBucket');
        const place = String.raw`^S3 ${operation} failed \[bucket=no-such-bucket, key=team-a/x\]: `;
        assert.match(error.message, new RegExp(place));
        assert.match(storageRefusal(error) ?? '', /^NoSuchBucket: /);
        return true;
      });
    }
  });

  it('names what is missing when an object that was promised is not there', async (test) => {
    const { folder } = await someFile(test, 10);
    const file = { fullKey: 'runs/gone.pth', sizeBytes: 10, sha256: 'a'.repeat(64) };
    await assert.rejects(s3.store.download(file, join(folder, 'y'), forever), {
      name: 'NoSuchKey',
      message: /^S3 download failed \[bucket=glee, key=runs\/gone\.pth\]: /,
    });
  });

  it('says that S3 cannot be reached in a way that is no refusal: it may come back', async () => {
    const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
    const client = new S3Client({ endpoint: 'http://127.0.0.1:9', region: 'us-east-1', credentials });
    await assert.rejects(createS3ObjectStore(client, 'glee', '').readText('x.json'), (error: Error) => {
      assert.match(error.message, /^S3 read failed \[bucket=glee, key=x\.json\]: .*ECONNREFUSED/);
      assert.equal(storageRefusal(error), undefined);
      return true;
    });
    client.destroy();
  });

  it('is refused for good when its key is wrong', async () => {
    const { endpoint, accessKeyId } = s3;
    const credentials = { accessKeyId, secretAccessKey: 'wrong' };
    const client = new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
    await assert.rejects(createS3ObjectStore(client, 'glee', '').readText('x.json'), (error: Error) => {
      assert.match(storageRefusal(error) ?? '', /^SignatureDoesNotMatch: /);
      return true;
    });
    client.destroy();
  });
});

async function someFile(test: TestContext, sizeBytes: number): Promise<{ path: string; folder: string }> {
  const folder = await temporaryFolder(test);
  const path = join(folder, 'file.pth');
  await writeFile(path, randomBytes(sizeBytes));
  assert.equal((await stat(path)).size, sizeBytes);
  return { path, folder };
}
