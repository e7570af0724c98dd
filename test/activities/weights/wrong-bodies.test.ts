import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestS3, type TestS3 } from '../s3.ts';
import { downloads, MIB, mustFail, mustHave, PART, someBytes, storedParts } from './downloads.ts';
import { startRawServer } from './raw-server.ts';
import { sendFile, startWebServer } from './web-server.ts';

describe('a body without a checksum to hold against it', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  for (const [what, page, type] of [
    ['says so', 'Please sign in', 'text/html; charset=utf-8'],
    ['begins as one', `<!DOCTYPE html>\n<p>${'sign in '.repeat(50)}`, 'application/octet-stream'],
    ['begins as one after a mark and lines', '\uFEFF\r\n  <HTML lang="en">', 'application/octet-stream'],
    ['is short', '<html>', 'binary/octet-stream'],
  ] as const) {
    it(`is refused when it is a web page that ${what}`, async (test) => {
      const server = await startWebServer(test, (exchange) => {
        exchange.response.setHeader('content-type', type);
        return sendFile(exchange, { bytes: Buffer.from(page), etag: '"1"' });
      });
      const name = `page-${what.replaceAll(' ', '-')}`;
      const fetched = downloads(test, s3).fetch(name, `${server.origin}/a.pth`);
      await mustFail(s3, name, fetched, 'wrongContent', /a\.pth answers with a web page instead of the file/);
    });
  }

  it('may be a web page where one is asked for, or hold one further on', async (test) => {
    const page = Buffer.from('<html>terms</html>');
    const file = Buffer.concat([someBytes(100), page]);
    const server = await startWebServer(test, (exchange) =>
      sendFile(exchange, { bytes: exchange.request.url === '/terms.html' ? page : file, etag: '"1"' }),
    );
    const { fetch } = downloads(test, s3);
    await mustHave(s3, await fetch('terms', `${server.origin}/terms.html`), page);
    await mustHave(s3, await fetch('file', `${server.origin}/a.pth`), file);
  });

  /** States a length, and sends so many bytes of a file. */
  function lying(stated: string, bytes: Buffer) {
    return (head: string, socket: { write(data: Uint8Array | string): unknown; end(): unknown }) => {
      socket.write(`HTTP/1.1 200 OK\r\n${stated}\r\netag: "1"\r\n\r\n`);
      if (head.startsWith('HEAD')) return;
      socket.write(bytes);
      if (stated.startsWith('x-none')) socket.end();
    };
  }

  for (const [size, more] of [
    ['small', 1],
    ['whole parts', 1 + MIB],
  ] as const) {
    it(`is refused when more of it comes than its Content-Length says, by ${more} bytes, be it ${size}`, async (test) => {
      const bytes = someBytes(size === 'small' ? 1000 : PART + more);
      const origin = await startRawServer(test, lying(`content-length: ${bytes.length - more}`, bytes));
      const name = `surplus-${more}`;
      const fetched = downloads(test, s3).fetch(name, `${origin}/a.pth`);
      await mustFail(
        s3,
        name,
        fetched,
        'wrongContent',
        /a\.pth sends more bytes than its Content-Length says/,
      );
      assert.equal(await storedParts(s3, name), 0);
    });
  }

  it('is refused when it continues in chunks after the size that was stated before', async (test) => {
    const bytes = someBytes(MIB);
    const origin = await startRawServer(test, (head, socket) => {
      const isHead = head.startsWith('HEAD');
      const length = isHead ? `content-length: ${MIB - 1000}` : 'transfer-encoding: chunked';
      socket.write(`HTTP/1.1 200 OK\r\n${length}\r\netag: "1"\r\n\r\n`);
      // No last chunk: who waits for it waits in vain.
      if (!isHead) socket.write(Buffer.concat([Buffer.from(`${MIB.toString(16)}\r\n`), bytes]));
    });
    const fetched = downloads(test, s3).fetch('chunks', `${origin}/a.pth`);
    await mustFail(s3, 'chunks', fetched, 'wrongContent', /said that it has 1047576 bytes and sends more/);
  });

  it('that ends with its connection, of a size that no one states, is taken as it comes', async (test) => {
    const bytes = someBytes(1000);
    const origin = await startRawServer(test, lying('x-none: 1', bytes));
    const fetched = await downloads(test, s3).fetch('unstated', `${origin}/a.pth`);
    assert.equal(fetched.manifest.proof, 'pinned');
    await mustHave(s3, fetched, bytes);
  });
});
