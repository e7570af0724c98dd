import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { parseSource } from '../../../activities/weights/sources/parse-source.ts';
import { fetchIntoS3 } from '../../../activities/weights/fetch-into-s3.ts';
import { until } from '../../support/until.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import {
  downloads,
  mustFail,
  mustHave,
  mustHaveNothing,
  notes,
  MIB,
  PART,
  sha256,
  someBytes,
  storedParts,
} from './downloads.ts';
import { sendFile, startWebServer } from './web-server.ts';

describe('fetchIntoS3', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  for (const [size, sizeBytes] of Object.entries({
    empty: 0,
    small: 1000,
    exact: 2 * PART,
    large: 12 * MIB + 7,
  })) {
    it(`brings a file that is ${size}, and pins its checksum`, async (test) => {
      const bytes = someBytes(sizeBytes);
      const server = await startWebServer(test, (exchange) => sendFile(exchange, { bytes, etag: '"1"' }));
      const fetched = await downloads(test, s3).fetch(size, `${server.origin}/model.pth?signature=secret`);
      await mustHave(s3, fetched, bytes);
      assert.equal(fetched.outcome, 'fetched');
      assert.equal(fetched.manifest.proof, 'pinned');
      assert.equal(fetched.manifest.source, `${server.origin}/model.pth`);
      assert.match(fetched.manifest.file.key, /\/model\.pth$/);
    });
  }

  it('reuses what S3 has, and asks the source nothing', async (test) => {
    const bytes = someBytes(1000);
    const server = await startWebServer(test, (exchange) => sendFile(exchange, { bytes, etag: '"1"' }));
    const { fetch } = downloads(test, s3);
    const expected = { sha256: sha256(bytes).toUpperCase(), sizeBytes: 1000 };
    const first = await fetch('reused', `${server.origin}/a.pth`, expected);
    assert.equal(first.manifest.proof, 'catalogue');
    const asked = server.requests.length;
    const second = await fetch('reused', `${server.origin}/a.pth`, expected);
    assert.deepEqual(second, { outcome: 'reused', manifest: first.manifest });
    assert.equal(server.requests.length, asked);
  });

  it('downloads again what was pruned, and only the same bytes will do', async (test) => {
    let bytes = someBytes(1000);
    const server = await startWebServer(test, (exchange) => sendFile(exchange, { bytes }));
    const { fetch } = downloads(test, s3);
    const prune = async (key: string) =>
      s3.client.send(new DeleteObjectCommand({ Bucket: 'glee', Key: key }));
    const first = await fetch('pruned', `${server.origin}/a.pth`);
    await prune(first.manifest.file.key);
    const second = await fetch('pruned', `${server.origin}/a.pth`);
    assert.equal(second.outcome, 'fetched');
    await mustHave(s3, second, bytes);
    await prune(second.manifest.file.key);
    bytes = someBytes(1000);
    await assert.rejects(fetch('pruned', `${server.origin}/a.pth`), (error: Error & { kind?: string }) => {
      assert.equal(error.kind, 'sourceChanged');
      assert.ok(error.message.includes(first.manifest.file.sha256) && error.message.includes(sha256(bytes)));
      return true;
    });
  });

  it('takes what the catalogue expects by now in place of what was pinned before', async (test) => {
    let bytes = someBytes(1000);
    const server = await startWebServer(test, (exchange) =>
      sendFile(exchange, { bytes, etag: `"${sha256(bytes)}"` }),
    );
    const { fetch } = downloads(test, s3);
    const old = await fetch('renewed', `${server.origin}/a.pth`);
    bytes = someBytes(2000);
    const renewed = await fetch('renewed', `${server.origin}/a.pth`, { sha256: sha256(bytes) });
    assert.equal(renewed.manifest.file.sizeBytes, 2000);
    assert.notEqual(renewed.manifest.file.key, old.manifest.file.key);
  });

  it('refuses bytes that are not what the catalogue expects, and leaves nothing', async (test) => {
    const bytes = someBytes(1000);
    const server = await startWebServer(test, (exchange) => sendFile(exchange, { bytes, etag: '"1"' }));
    const { fetch } = downloads(test, s3);
    const url = `${server.origin}/a.pth`;
    const other = sha256(Buffer.from('other'));
    const both = new RegExp(`${other} stands in the catalogue, ${sha256(bytes)} came`);
    await mustFail(s3, 'wrong', fetch('wrong', url, { sha256: other }), 'wrongContent', both);
    const size = /has 1000 bytes, the catalogue expects 1001/;
    await mustFail(s3, 'wrong', fetch('wrong', url, { sizeBytes: 1001 }), 'wrongContent', size);
    assert.equal(server.requests.filter((line) => line.startsWith('GET')).length, 1);
  });

  it('continues to the next mirror when one will not do', async (test) => {
    const bytes = someBytes(1000);
    const server = await startWebServer(test, (exchange) => {
      if (exchange.request.url === '/gone') exchange.response.writeHead(404).end();
      else return sendFile(exchange, { bytes: exchange.request.url === '/other' ? someBytes(1000) : bytes });
    });
    const mirrors = ['/gone', '/other', '/good'].map((path) => server.origin + path);
    const download = downloads(test, s3);
    await mustHave(s3, await download.fetch('mirrored', mirrors, { sha256: sha256(bytes) }), bytes);
    assert.match(notes(download), /404.*on to the next source/);
    const all = /none of 2 sources would do: 1\. .*404.*; 2\. .*stands in the catalogue/;
    const bad = downloads(test, s3).fetch('bad-mirrors', mirrors.slice(0, 2), { sha256: sha256(bytes) });
    await mustFail(s3, 'bad-mirrors', bad, 'notFound', all);
  });

  it('lets only one of two that fetch at the same time win, with the same bytes', async (test) => {
    const bytes = someBytes(6 * MIB);
    const server = await startWebServer(test, (exchange) => sendFile(exchange, { bytes, etag: '"1"' }));
    const { fetch } = downloads(test, s3);
    const [one, other] = await Promise.all([1, 2].map(() => fetch('twice', `${server.origin}/a.pth`)));
    assert.ok(one !== undefined && other !== undefined);
    assert.deepEqual(one.manifest, other.manifest);
    await mustHave(s3, one, bytes);
  });

  it('refuses names that would not do as keys', async (test) => {
    const { fetch } = downloads(test, s3);
    for (const name of ['', '../x', 'a/b', '.a', 'x.json']) {
      await assert.rejects(fetch(name, 'http://127.0.0.1:9/x'), {
        kind: 'unusableSource',
        message: /artifact name/,
      });
    }
  });

  it('ends when it is told to, and continues after the last whole part', async (test) => {
    const bytes = someBytes(12 * MIB);
    const abort = new AbortController();
    const file = { bytes, etag: '"1"' };
    const server = await startWebServer(test, async (exchange) => {
      const first = exchange.request.method === 'GET' && exchange.gets === 0;
      await sendFile(exchange, first ? { ...file, stopAfter: 11 * MIB } : file);
      if (first) await until('two parts to be there', async () => (await storedParts(s3, 'aborted')) === 2);
      if (first) abort.abort();
    });
    const url = `${server.origin}/a.pth`;
    const download = downloads(test, s3, { timeouts: { bodyMs: 20_000 } });
    const request = { name: 'aborted', sources: [parseSource(url)] };
    const fetched = fetchIntoS3(download.tools, request, abort.signal, () => undefined);
    await assert.rejects(fetched, { name: 'AbortError' });
    await mustHaveNothing(s3, 'aborted');
    await mustHave(s3, await download.fetch('aborted', url), bytes);
    assert.equal(server.requests.at(-1), `GET /a.pth bytes=${2 * PART}-`);
  });
});
