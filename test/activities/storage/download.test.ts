import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { open, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { crc32 } from 'node:zlib';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { UploadedFile } from '../../../activities/storage/ports/object-store.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { makeSmallDisk, noSmallDisk } from '../../support/small-disk.ts';
import { until } from '../../support/until.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { startS3Proxy, type Fault, type ProxiedRequest } from './s3-proxy.ts';

const MIB = 1 << 20;
/** Of three ranges and a bit. */
const SIZE = 25 * MIB + 77;
const forever = new AbortController().signal;

describe('download', () => {
  let s3: TestS3;
  let bytes: Buffer;
  let file: UploadedFile & { readonly fullKey: string };
  before(async () => {
    s3 = await startTestS3();
    bytes = randomBytes(SIZE);
    file = await put(s3, 'model.pth', bytes);
  });
  after(() => s3.stop());

  it('asks for ranges of the version that the first answer had', async (test) => {
    const versions: unknown[] = [];
    const proxy = await startS3Proxy(s3, ({ headers }) => void versions.push(headers['if-match']));
    test.after(() => proxy.stop());
    const copy = await target(test);
    await proxy.store.download(file, copy, forever);
    assert.ok((await readFile(copy)).equals(bytes));
    assert.equal(proxy.requests.length, 4);
    assert.equal(versions[0], undefined);
    assert.equal(new Set(versions.slice(1)).size, 1);
    assert.match(String(versions[1]), /^"/);
  });

  it('verifies by SHA-256 where an older manifest has no CRC32', async (test) => {
    const { sizeBytes, sha256, fullKey } = file;
    const copy = await target(test);
    await s3.store.download({ sizeBytes, sha256, fullKey }, copy, forever);
    await assert.rejects(
      s3.store.download({ sizeBytes, sha256: 'a'.repeat(64), fullKey }, `${copy}.2`, forever),
      { name: 'WrongContent', message: new RegExp(`with sha256 a{64}, got ${SIZE} with ${sha256}`) },
    );
    assert.deepEqual(await readdir(dirname(copy)), ['copy.pth']);
  });

  it('tells how far it is', async (test) => {
    const progress: number[] = [];
    const onProgress = (done: number) => void progress.push(done);
    await s3.store.download(file, await target(test), forever, { onProgress });
    assert.equal(progress.at(-1), SIZE);
    assert.ok(progress.length > 4);
  });

  it('refuses a file of which a bit was flipped on its way, and leaves nothing', async (test) => {
    const flip: Fault = { kind: 'flip', atByte: 5 * MIB };
    const proxy = await startS3Proxy(s3, ({ earlier }) => (earlier === 2 ? flip : undefined));
    test.after(() => proxy.stop());
    const copy = await target(test);
    await assert.rejects(proxy.store.download(file, copy, forever), {
      name: 'WrongContent',
      message: new RegExp(`expected ${SIZE} bytes with crc32 ${file.crc32}, got ${SIZE} with [0-9a-f]{8}$`),
    });
    assert.deepEqual(await readdir(dirname(copy)), []);
  });

  it('refuses what the disk of S3 has damaged or lost a part of', async (test) => {
    const stored = join(dirname(s3.process.logFile), 'objects/glee/decayed.pth');
    const decayed = await put(s3, 'decayed.pth', bytes);
    const copy = await target(test);
    const disk = await open(stored, 'r+');
    await disk.write(Buffer.from([(bytes[20 * MIB] ?? 0) ^ 4]), 0, 1, 20 * MIB);
    await disk.close();
    await assert.rejects(s3.store.download(decayed, copy, forever), { name: 'WrongContent' });
    await truncate(stored, 9 * MIB);
    await assert.rejects(s3.store.download(decayed, copy, forever), { name: 'WrongContent' });
    assert.deepEqual(await readdir(dirname(copy)), []);
  });

  it('refuses objects that are shorter, longer or empty, and leaves nothing', async (test) => {
    const copy = await target(test);
    for (const size of [0, SIZE - 1, SIZE + 1]) {
      const Body = randomBytes(size);
      await s3.client.send(new PutObjectCommand({ Bucket: 'glee', Key: 'other.pth', Body }));
      const promised = { ...file, fullKey: 'other.pth' };
      await assert.rejects(s3.store.download(promised, copy, forever), {
        name: 'WrongContent',
        message: new RegExp(`expected ${SIZE} bytes`),
      });
    }
    const promised = { ...file, sizeBytes: 0, crc32: '00000000' };
    await assert.rejects(s3.store.download(promised, copy, forever), { name: 'WrongContent' });
    assert.deepEqual(await readdir(dirname(copy)), []);
  });

  const passing: Readonly<Record<string, Fault>> = {
    'answers 500': { kind: 'status', status: 500, code: 'InternalError' },
    'is overloaded': { kind: 'status', status: 503, code: 'SlowDown' },
    'takes the credentials for expired': { kind: 'status', status: 400, code: 'ExpiredToken' },
    'never answers': { kind: 'silence' },
    'breaks the connection before its answer': { kind: 'cut', afterBytes: 0 },
    'breaks the connection in the middle': { kind: 'cut', afterBytes: 3 * MIB },
  };
  for (const [what, fault] of Object.entries(passing)) {
    it(`gets through when S3 ${what} now and then`, async (test) => {
      const proxy = await startS3Proxy(s3, ({ earlier }) => (earlier % 2 === 0 ? fault : undefined));
      test.after(() => proxy.stop());
      const copy = await target(test);
      await proxy.store.download(file, copy, forever);
      assert.ok((await readFile(copy)).equals(bytes));
    });
  }

  it('asks for what is missing of a range alone when its connection breaks', async (test) => {
    const cut: Fault = { kind: 'cut', afterBytes: 3 * MIB };
    const proxy = await startS3Proxy(s3, ({ earlier }) => (earlier === 0 ? cut : undefined));
    test.after(() => proxy.stop());
    await proxy.store.download(file, await target(test), forever);
    const starts = proxy.requests.map((request) => Number(/bytes=(\d+)-/.exec(request)?.[1]));
    const again = starts.find((start) => start % MIB !== 0 || (start > 0 && start < 8 * MIB)) ?? 0;
    assert.ok(again >= 2 * MIB && again <= 3 * MIB, proxy.requests.join('\n'));
  });

  it('ends with what S3 says when it says it again and again', async (test) => {
    const down: Fault = { kind: 'status', status: 503, code: 'SlowDown' };
    const proxy = await startS3Proxy(s3, () => down);
    test.after(() => proxy.stop());
    const copy = await target(test);
    await assert.rejects(proxy.store.download(file, copy, forever), {
      name: 'SlowDown',
      message: 'S3 download failed [bucket=glee, key=model.pth]: a test wants it',
    });
    assert.equal(proxy.requests.length, 5);
    assert.deepEqual(await readdir(dirname(copy)), []);
  });

  it('does not mix two versions', async (test) => {
    const versioned = await put(s3, 'versioned.pth', randomBytes(SIZE));
    let replaced: Promise<unknown> | undefined;
    const proxy = await startS3Proxy(s3, ({ earlier }: ProxiedRequest): Fault | undefined => {
      if (earlier === 0) return undefined;
      replaced ??= put(s3, 'versioned.pth', randomBytes(SIZE));
      return { kind: 'cut', afterBytes: 0 };
    });
    test.after(() => proxy.stop());
    const copy = await target(test);
    await assert.rejects(proxy.store.download(versioned, copy, forever));
    await replaced;
    await assert.rejects(s3.store.download(versioned, copy, forever), { name: 'WrongContent' });
    assert.deepEqual(await readdir(dirname(copy)), []);
  });

  it('ends at once when it is told to, and leaves nothing', async (test) => {
    const proxy = await startS3Proxy(s3, ({ earlier }) => (earlier > 0 ? { kind: 'silence' } : undefined));
    test.after(() => proxy.stop());
    const copy = await target(test);
    const abort = new AbortController();
    const download = assert.rejects(proxy.store.download(file, copy, abort.signal), { name: 'AbortError' });
    await until('ranges to be asked for', () => proxy.requests.length === 4);
    abort.abort();
    await download;
    assert.deepEqual(await readdir(dirname(copy)), []);
  });

  it(
    'says that the disk is full, before and while it writes, and leaves nothing',
    { skip: noSmallDisk },
    async (test) => {
      const disk = await makeSmallDisk('28m');
      try {
        await fillWhileItWrites(disk.folder, test);
      } finally {
        await disk.remove();
      }
    },
  );

  async function fillWhileItWrites(folder: string, test: TestContext): Promise<void> {
    const copy = join(folder, 'copy.pth');
    await writeFile(join(folder, 'other'), '');
    const proxy = await startS3Proxy(s3, ({ earlier }) => {
      // There is room when it begins, and none later.
      if (earlier === 1) execFileSync('fallocate', ['-l', '20M', join(folder, 'other')]);
      return undefined;
    });
    test.after(() => proxy.stop());
    await assert.rejects(proxy.store.download(file, copy, forever), { code: 'ENOSPC' });
    assert.deepEqual(await readdir(folder), ['other']);
    await assert.rejects(s3.store.download(file, copy, forever), {
      code: 'ENOSPC',
      message: /the disk of .* is full: \d+ bytes are needed, \d+ are free/,
    });
    await truncate(join(folder, 'other'), 0);
    await s3.store.download(file, copy, forever);
  }

  async function target(test: TestContext): Promise<string> {
    return join(await temporaryFolder(test), 'below/copy.pth');
  }
});

async function put(
  s3: TestS3,
  key: string,
  bytes: Buffer,
): Promise<UploadedFile & { readonly fullKey: string }> {
  await s3.client.send(
    new PutObjectCommand({ Bucket: 'glee', Key: key, Body: bytes, ChecksumAlgorithm: 'CRC32' }),
  );
  return {
    fullKey: key,
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    crc32: crc32(bytes).toString(16).padStart(8, '0'),
  };
}
