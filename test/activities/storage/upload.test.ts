import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { crc32 } from 'node:zlib';
import { createS3MultipartUploads } from '../../../activities/storage/s3-multipart-uploads.ts';
import { crc32Hex } from '../../../activities/storage/transfer/crc32.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { startS3Proxy, type Fault, type ProxiedRequest } from './s3-proxy.ts';

const MIB = 1 << 20;
const PART = 8 * MIB;
const forever = new AbortController().signal;

describe('upload', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  for (const sizeBytes of [0, 1, PART - 1, PART, PART + 1, 3 * PART, 5 * PART + 12_345]) {
    it(`brings ${sizeBytes} bytes to S3 and says their checksums`, async (test) => {
      const { path, bytes } = await someFile(test, sizeBytes);
      const progress: number[] = [];
      const onProgress = (done: number) => void progress.push(done);
      const uploaded = await s3.store.upload(`sizes/${sizeBytes}`, path, forever, { onProgress });
      assert.deepEqual(uploaded, sumsOf(bytes));
      assert.equal(progress.at(-1), sizeBytes);
      assert.deepEqual(
        progress,
        progress.toSorted((one, other) => one - other),
      );
      const copy = `${path}.copy`;
      await s3.store.download({ fullKey: `sizes/${sizeBytes}`, ...uploaded }, copy, forever);
      assert.ok((await readFile(copy)).equals(bytes));
    });
  }

  it('continues from the parts that a dead worker has sent, and sends again what differs', async (test) => {
    const { path, bytes } = await someFile(test, 6 * PART + 5);
    const uploads = createS3MultipartUploads(s3.client, 'glee', '');
    const older = await uploads.begin('resumed.pth', forever);
    await uploads.putPart(older, 1, bytes.subarray(0, PART), forever);
    // S3 tells uploads apart by the second in which they began.
    const began = Math.floor(Date.now() / 1000);
    while (Math.floor(Date.now() / 1000) === began) await new Promise(setImmediate);
    const upload = await uploads.begin('resumed.pth', forever);
    for (const number of [1, 2, 4])
      await uploads.putPart(upload, number, bytes.subarray((number - 1) * PART, number * PART), forever);
    await uploads.putPart(upload, 3, randomBytes(PART), forever);
    await uploads.putPart(upload, 5, bytes.subarray(4 * PART, 5 * PART - 1), forever);
    const other = await uploads.begin('resumed.pth.json', forever);

    const proxy = await startS3Proxy(s3);
    test.after(() => proxy.stop());
    assert.deepEqual(await proxy.store.upload('resumed.pth', path, forever), sumsOf(bytes));
    const sent = proxy.requests.filter((request) => request.startsWith('PUT part'));
    assert.deepEqual(sent.sort(), ['PUT part 3', 'PUT part 5', 'PUT part 6', 'PUT part 7']);
    assert.deepEqual(await uploads.find('resumed.pth', forever), []);
    assert.deepEqual(await uploads.find('resumed.pth.json', forever), [other]);
    await uploads.abortAll('', forever);
  });

  it('leaves what it has sent when S3 fails, and the next upload sends the rest alone', async (test) => {
    const { path, bytes } = await someFile(test, 5 * PART);
    let down = true;
    const failing = ({ url, method }: ProxiedRequest): Fault | undefined =>
      down && method === 'PUT' && Number(url.searchParams.get('partNumber')) > 3
        ? { kind: 'status', status: 503, code: 'SlowDown' }
        : undefined;
    const proxy = await startS3Proxy(s3, failing);
    test.after(() => proxy.stop());
    await assert.rejects(proxy.store.upload('later.pth', path, forever), { name: 'SlowDown' });
    down = false;
    proxy.requests.length = 0;
    assert.deepEqual(await proxy.store.upload('later.pth', path, forever), sumsOf(bytes));
    const sent = proxy.requests.filter((request) => request.startsWith('PUT part'));
    assert.deepEqual(sent.sort(), ['PUT part 4', 'PUT part 5']);
  });

  const passing: Readonly<Record<string, Fault>> = {
    'answers 500': { kind: 'status', status: 500, code: 'InternalError' },
    'is overloaded': { kind: 'status', status: 503, code: 'SlowDown' },
    'says that bytes were damaged': { kind: 'status', status: 400, code: 'BadDigest' },
    'never answers': { kind: 'silence' },
    'breaks the connection': { kind: 'cut', afterBytes: 0 },
  };
  for (const [what, fault] of Object.entries(passing)) {
    it(`gets through when S3 ${what} once at every step`, async (test) => {
      const { path, bytes } = await someFile(test, 2 * PART + 1);
      const proxy = await startS3Proxy(s3, ({ earlier }) => (earlier === 0 ? fault : undefined));
      test.after(() => proxy.stop());
      assert.deepEqual(await proxy.store.upload(`faults/${what}`, path, forever), sumsOf(bytes));
    });
  }

  it('takes an upload for done whose completion was answered to no one', async (test) => {
    const { path, bytes } = await someFile(test, 2 * PART);
    const lost = ({ method, url, earlier }: ProxiedRequest): Fault | undefined =>
      method === 'POST' && url.searchParams.has('uploadId') && earlier === 0
        ? { kind: 'cut', afterBytes: 0 }
        : undefined;
    const proxy = await startS3Proxy(s3, lost);
    test.after(() => proxy.stop());
    assert.deepEqual(await proxy.store.upload('answered.pth', path, forever), sumsOf(bytes));
  });

  it('gives up at once when S3 refuses for good', async (test) => {
    const { path } = await someFile(test, 2 * PART);
    const refuse: Fault = { kind: 'status', status: 403, code: 'AccessDenied' };
    const proxy = await startS3Proxy(s3, () => refuse);
    test.after(() => proxy.stop());
    await assert.rejects(proxy.store.upload('refused.pth', path, forever), { name: 'AccessDenied' });
    assert.deepEqual(proxy.requests, ['HEAD', 'GET uploads']);
  });

  it('sends nothing of a file that a dead worker has stored already, and all of one that differs', async (test) => {
    const { path, bytes } = await someFile(test, 2 * PART + 5);
    await s3.store.upload('stored.pth', path, forever);
    const proxy = await startS3Proxy(s3);
    test.after(() => proxy.stop());
    assert.deepEqual(await proxy.store.upload('stored.pth', path, forever), sumsOf(bytes));
    assert.deepEqual(proxy.requests, ['HEAD', 'HEAD']);
    const other = await someFile(test, 2 * PART + 5);
    assert.deepEqual(await proxy.store.upload('stored.pth', other.path, forever), sumsOf(other.bytes));
    assert.equal(proxy.requests.filter((request) => request.startsWith('PUT part')).length, 3);
  });

  it('signs again with fresh credentials when S3 says in the middle that those it has are expired', async (test) => {
    const { path, bytes } = await someFile(test, 4 * PART);
    const good = await s3.client.config.credentials();
    let given = 0;
    const credentials = () => {
      given += 1;
      const accessKeyId = given === 1 ? 'EXPIRED' : good.accessKeyId;
      return Promise.resolve({ accessKeyId, secretAccessKey: good.secretAccessKey });
    };
    const expired: Fault = { kind: 'status', status: 400, code: 'ExpiredToken' };
    const proxy = await startS3Proxy(
      s3,
      ({ headers }) => (headers.authorization?.includes('EXPIRED') === true ? expired : undefined),
      { credentials },
    );
    test.after(() => proxy.stop());
    assert.deepEqual(await proxy.store.upload('expired.pth', path, forever), sumsOf(bytes));
    assert.ok(given >= 2);
  });

  it('refuses a file that grows while it is uploaded, and leaves nothing of it', async (test) => {
    const { path } = await someFile(test, 3 * PART);
    let grown: Promise<void> | undefined;
    const proxy = await startS3Proxy(s3, ({ url }) => {
      if (url.searchParams.has('partNumber')) grown ??= appendFile(path, 'more');
      return undefined;
    });
    test.after(() => proxy.stop());
    await assert.rejects(proxy.store.upload('growing.pth', path, forever), { name: 'FileChanged' });
    await grown;
    const uploads = createS3MultipartUploads(s3.client, 'glee', '');
    assert.deepEqual(await uploads.find('growing.pth', forever), []);
    assert.equal(await s3.store.readText('growing.pth'), undefined);
  });

  it('keeps to a limit, also when it changes', async (test) => {
    const { path } = await someFile(test, 10 * MIB);
    let limit: number | undefined = 4 * MIB;
    const began = performance.now();
    await s3.store.upload('limited.pth', path, forever, { bytesPerSecond: () => limit });
    const seconds = (performance.now() - began) / 1000;
    assert.ok(seconds > 2.3, `10 MiB at 4 MiB/s took ${seconds} s`);

    limit = 64 << 10;
    const freed = performance.now();
    await s3.store.upload('freed.pth', path, forever, {
      bytesPerSecond: () => (performance.now() - freed > 1000 ? undefined : limit),
    });
    assert.ok(performance.now() - freed < 60_000, 'the limit was lifted');
  });
});

async function someFile(test: TestContext, sizeBytes: number): Promise<{ path: string; bytes: Buffer }> {
  const path = join(await temporaryFolder(test), 'file.pth');
  const bytes = randomBytes(sizeBytes);
  await writeFile(path, bytes);
  return { path, bytes };
}

function sumsOf(bytes: Buffer): { sizeBytes: number; sha256: string; crc32: string } {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { sizeBytes: bytes.length, sha256, crc32: crc32Hex(crc32(bytes)) };
}
