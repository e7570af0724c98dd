/** @module What interrupts a download from our side: the process is killed, or S3 goes away. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import type { MultipartUploads } from '../../../activities/storage/ports/multipart-uploads.ts';
import { parseObject } from '../../../activities/storage/schemas.ts';
import { manifestSchema } from '../../../activities/weights/manifest.ts';
import { PART_SIZE_BYTES } from '../../../activities/weights/upload-parts.ts';
import { until } from '../../support/until.ts';
import { intercept, Killed, startTestS3, type TestS3 } from '../s3.ts';
import {
  downloads,
  MIB,
  mustFail,
  mustHave,
  mustHaveNothing,
  notes,
  someBytes,
  storedParts,
} from './downloads.ts';
import { sendFile, startWebServer } from './web-server.ts';

describe('a download that is interrupted', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  function startProcess(name: string, url: string) {
    const env = { ...s3.env, GLEE_ALLOW_PRIVATE_SOURCES: '127.0.0.1' };
    const script = join(import.meta.dirname, 'fetch-process.js');
    return spawn(process.execPath, [script, name, url], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  }

  it('repeats one part at most when its process is killed', async (test) => {
    const bytes = someBytes(48 * MIB);
    const sentAtKill = 4 * PART_SIZE_BYTES - 1;
    const server = await startWebServer(test, (exchange) =>
      sendFile(exchange, { bytes, etag: '"1"', ...(exchange.gets === 0 && { stopAfter: sentAtKill }) }),
    );
    const first = startProcess('killed', `${server.origin}/a.pth`);
    // The worst moment: all of a part has come but its last byte.
    await until('three parts to be in S3, and the next to have come', async () => {
      return server.sentBytes() === sentAtKill && (await storedParts(s3, 'killed')) === 3;
    });
    first.kill('SIGKILL');
    await once(first, 'exit');
    await mustHaveNothing(s3, 'killed');

    const second = startProcess('killed', `${server.origin}/a.pth`);
    const manifest = parseObject(await text(second.stdout), manifestSchema, 'what it printed');
    await mustHave(s3, { outcome: 'fetched', manifest }, bytes);
    assert.match(server.requests.at(-1) ?? '', /^GET \/a\.pth bytes=\d+-$/);
    const repeatedBytes = server.sentBytes() - bytes.length;
    assert.ok(repeatedBytes <= PART_SIZE_BYTES, `${repeatedBytes} bytes were sent twice`);
    test.diagnostic(`${(repeatedBytes / MIB).toFixed(1)} MiB were sent twice`);
  });

  it('downloads nothing again when it is killed between the object and the manifest', async (test) => {
    const bytes = someBytes(6 * MIB);
    const server = await startWebServer(test, (exchange) => sendFile(exchange, { bytes, etag: '"1"' }));
    const store = intercept(s3.store, {
      before: ({ operation, name }) =>
        operation === 'writeText' && name === 'artifacts/unseen.json'
          ? Promise.reject(new Killed())
          : Promise.resolve(),
    });
    const killed = downloads(test, s3, {}, { store });
    await assert.rejects(killed.fetch('unseen', `${server.origin}/a.pth`), { name: 'Killed' });
    assert.equal(await s3.store.readText('artifacts/unseen.json'), undefined);
    const sentBytes = server.sentBytes();
    await mustHave(s3, await downloads(test, s3).fetch('unseen', `${server.origin}/a.pth`), bytes);
    assert.equal(server.sentBytes(), sentBytes);
  });

  it('lives through S3 being killed, and through parts that S3 fails to take', async (test) => {
    const bytes = someBytes(22 * MIB);
    const server = await startWebServer(test, async (exchange) => sendFile(exchange, { bytes, etag: '"1"' }));
    let failures = 0;
    const real = downloads(test, s3).tools.uploads;
    const uploads: MultipartUploads = {
      ...real,
      putPart: async (upload, number, part, signal) => {
        if (number === 2 && failures < 2) {
          failures += 1;
          if (failures === 1) s3.process.kill('SIGKILL');
          throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
        }
        return real.putPart(upload, number, part, signal);
      },
    };
    const retryPolicy = { failures: 12, firstWaitMs: 50, longestWaitMs: 500, longestRetryAfterMs: 500 };
    const download = downloads(test, s3, {}, { uploads, retryPolicy });
    await mustHave(s3, await download.fetch('shaken', `${server.origin}/a.pth`), bytes);
    assert.equal(failures, 2);
    assert.match(notes(download), /ECONNRESET, trying again in 1 s/);
    assert.equal(server.sentBytes(), bytes.length);
  });

  it('does not try again what S3 refuses', async (test) => {
    const server = await startWebServer(test, (exchange) => sendFile(exchange, { bytes: someBytes(10) }));
    const download = downloads(test, s3, {}, { store: s3.storeOn('no-such-bucket') });
    await assert.rejects(download.fetch('refused', `${server.origin}/a.pth`), { name: 'NoSuchBucket' });
    assert.equal(server.requests.length, 0);
  });

  it('starts again when its record is not what this version writes, or its upload is gone', async (test) => {
    const bytes = someBytes(6 * MIB);
    const cut = { bytes, etag: '"1"', cutAfter: 5.5 * MIB };
    let file: Parameters<typeof sendFile>[1] = cut;
    const server = await startWebServer(test, (exchange) => {
      if (file === cut && exchange.gets > 0) return void exchange.response.writeHead(503).end();
      return sendFile(exchange, file);
    });
    const url = `${server.origin}/a.pth`;
    const first = downloads(test, s3);
    await mustFail(s3, 'edited', first.fetch('edited', url), 'unavailable', /answers 503, 5 times without/);
    await s3.store.writeText('artifacts/edited/download.json', '{"upload": {"name": "runs/head.json"}}');
    file = { bytes, etag: '"1"' };
    const fetched = await first.fetch('edited', url);
    assert.equal(fetched.manifest.file.sizeBytes, bytes.length);
    assert.equal(server.requests.at(-1), 'GET /a.pth');
  });
});
