import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestS3, type TestS3 } from '../s3.ts';
import { downloads, MIB, mustFail, mustHave, notes, sha256, someBytes } from './downloads.ts';
import { sendFile, startWebServer } from './web-server.ts';

const CUT = 700_000;

describe('a download from a server that', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('cuts the connection every few hundred kilobytes ends with the right file, each byte sent about once', async (test) => {
    const bytes = someBytes(6 * MIB);
    const server = await startWebServer(test, (exchange) =>
      sendFile(exchange, { bytes, etag: '"1"', cutAfter: CUT }),
    );
    await mustHave(s3, await downloads(test, s3).fetch('cut', `${server.origin}/a.pth`), bytes);
    assert.ok(server.sentBytes() < 2 * bytes.length, String(server.sentBytes()));
  });

  it('cuts it and ignores ranges starts again, and never mixes', async (test) => {
    const bytes = someBytes(2 * MIB);
    const server = await startWebServer(test, (exchange) => {
      const cut = exchange.gets < 2 ? { cutAfter: CUT } : {};
      return sendFile(exchange, { bytes, etag: '"1"', ignoresRange: true, ...cut });
    });
    const { fetch } = downloads(test, s3);
    const fetching = () => fetch('ranges', `${server.origin}/a.pth`);
    // Whether the first call lives through it or not: what is published is the file.
    const fetched = await fetching().catch(fetching);
    await mustHave(s3, fetched, bytes);
  });

  it('says fewer bytes than it means publishes no part of it', async (test) => {
    const bytes = someBytes(MIB);
    const server = await startWebServer(test, (exchange) =>
      sendFile(exchange, { bytes, etag: '"1"', statedBytes: MIB - 1000 }),
    );
    const fetched = downloads(test, s3).fetch('short', `${server.origin}/a.pth`);
    await mustFail(s3, 'short', fetched, 'wrongContent', /sends more bytes than its Content-Length says/);
  });

  it('says more bytes than it sends is asked again and then given up', async (test) => {
    const bytes = someBytes(MIB);
    const server = await startWebServer(test, (exchange) =>
      sendFile(exchange, { bytes, etag: '"1"', statedBytes: MIB + 1000 }),
    );
    const fetched = downloads(test, s3).fetch('long', `${server.origin}/a.pth`);
    await assert.rejects(fetched, { name: 'FetchError' });
    assert.equal(await s3.store.readText('artifacts/long.json'), undefined);
  });

  it('changes the file half way is found out by its version', async (test) => {
    const [old, now] = [someBytes(4 * MIB), someBytes(4 * MIB)];
    const server = await startWebServer(test, (exchange) =>
      exchange.gets < 2
        ? sendFile(exchange, { bytes: old, etag: '"old"', cutAfter: CUT })
        : sendFile(exchange, { bytes: now, etag: '"new"' }),
    );
    const { fetch } = downloads(test, s3);
    const fetching = () => fetch('changed', `${server.origin}/a.pth`);
    // Said at once, or started again by the next call: the new file whole, or nothing.
    await mustHave(s3, await fetching().catch(fetching), now);
  });

  it('changes only the bytes half way is found out by the checksum', async (test) => {
    const [old, now] = [someBytes(4 * MIB), someBytes(4 * MIB)];
    const server = await startWebServer(test, (exchange) =>
      exchange.gets < 1
        ? sendFile(exchange, { bytes: old, etag: '"1"', cutAfter: CUT })
        : sendFile(exchange, { bytes: now, etag: '"1"' }),
    );
    const fetched = downloads(test, s3).fetch('mixed', `${server.origin}/a.pth`, { sha256: sha256(old) });
    await mustFail(s3, 'mixed', fetched, 'wrongContent', new RegExp(sha256(old)));
  });

  it('answers 429 and 503 is left alone for as long as it asks, and asked again', async (test) => {
    const bytes = someBytes(1000);
    let refusals = 0;
    const server = await startWebServer(test, (exchange) => {
      refusals += 1;
      if (refusals > 2) return sendFile(exchange, { bytes, etag: '"1"' });
      exchange.response.writeHead(refusals === 1 ? 429 : 503, { 'retry-after': '1' }).end();
    });
    const download = downloads(test, s3);
    await mustHave(s3, await download.fetch('busy', `${server.origin}/a.pth`), bytes);
    assert.match(notes(download), /answers 429, trying again in 1(\.0)? s/);
  });

  it('answers with some words instead of the file is refused by the checksum', async (test) => {
    const page = Buffer.from('Please sign in');
    const server = await startWebServer(test, (exchange) => sendFile(exchange, { bytes: page }));
    const expected = { sha256: sha256(someBytes(10)) };
    const fetched = downloads(test, s3).fetch('page', `${server.origin}/a.pth`, expected);
    await mustFail(s3, 'page', fetched, 'wrongContent', new RegExp(sha256(page)));
  });

  it('never answers is given up in seconds, and may be tried again', async (test) => {
    const server = await startWebServer(test, () => undefined);
    const fetched = downloads(test, s3).fetch('silent', `${server.origin}/a.pth`);
    await mustFail(s3, 'silent', fetched, 'unavailable', /127\.0\.0\.1/);
  });

  it('stops in the middle of the body is asked for the rest', async (test) => {
    const bytes = someBytes(2 * MIB);
    const server = await startWebServer(test, (exchange) =>
      sendFile(exchange, { bytes, etag: '"1"', ...(exchange.gets === 0 && { stopAfter: CUT }) }),
    );
    await mustHave(s3, await downloads(test, s3).fetch('stops', `${server.origin}/a.pth`), bytes);
    assert.ok(
      server.requests.some((line) => /^GET .* bytes=[1-9]/.test(line)),
      server.requests.join(),
    );
  });

  for (const [status, kind] of [
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [404, 'notFound'],
  ] as const) {
    it(`answers ${status} is not asked again`, async (test) => {
      const server = await startWebServer(test, ({ response }) => void response.writeHead(status).end());
      const name = `status-${status}`;
      const fetched = downloads(test, s3).fetch(name, `${server.origin}/a.pth`);
      await mustFail(s3, name, fetched, kind, /127\.0\.0\.1:\d+\/a\.pth/);
      assert.ok(server.requests.length <= 2, server.requests.join());
    });
  }

  it('is Hugging Face, gets the token itself, and does not have it carried to where it redirects', async (test) => {
    const bytes = someBytes(1000);
    const tokens: (string | undefined)[] = [];
    const storage = await startWebServer(test, (exchange) => {
      tokens.push(exchange.request.headers.authorization);
      return sendFile(exchange, { bytes, etag: '"storage"' });
    });
    const hub = await startWebServer(test, ({ request, response }) => {
      assert.equal(request.headers.authorization, 'Bearer hf_secret');
      assert.equal(request.url, '/spaces/lab/demo/resolve/main/a.pth');
      const location = `${storage.origin}/blob?signature=secret`;
      const linked = { 'x-linked-etag': `"${sha256(bytes)}"`, 'x-linked-size': '1000' };
      response.writeHead(302, { location, ...linked }).end();
    });
    const huggingFace = { endpoint: hub.origin, token: 'hf_secret' };
    const { fetch } = downloads(test, s3, { huggingFace });
    const fetched = await fetch('hub', 'hf://spaces/lab/demo/a.pth');
    await mustHave(s3, fetched, bytes);
    assert.equal(fetched.manifest.proof, 'published');
    assert.deepEqual(new Set(tokens), new Set([undefined]));
    assert.doesNotMatch(JSON.stringify(fetched), /secret/);
  });
});
