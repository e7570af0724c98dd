/** @module Where weights are published, and the way there: Hugging Face, GitHub's releases, proxies. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parseObject } from '../../../activities/storage/schemas.ts';
import { manifestSchema } from '../../../activities/weights/manifest.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { downloads, mustFail, mustHave, sha256, someBytes } from './downloads.ts';
import { startProxyServer } from './proxy-server.ts';
import { sendFile, startWebServer, type Exchange } from './web-server.ts';

const SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';

describe('weights that are published', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  /** A hub that sends on to a storage of another origin, and states things of the file as it does so. */
  async function startHub(
    test: Parameters<typeof startWebServer>[0],
    bytes: Buffer,
    linked: Readonly<Record<string, string>>,
  ) {
    const authorizations = { hub: new Set<string>(), storage: new Set<string>() };
    const note = (where: 'hub' | 'storage', { request }: Exchange) =>
      authorizations[where].add(request.headers.authorization ?? 'none');
    const storage = await startWebServer(test, (exchange) => {
      note('storage', exchange);
      return sendFile(exchange, { bytes, etag: '"storage"' });
    });
    const hub = await startWebServer(test, (exchange) => {
      note('hub', exchange);
      exchange.response.writeHead(302, { location: `${storage.origin}/blob?sig=secret`, ...linked }).end();
    });
    return { hub, storage, authorizations };
  }

  it('on Hugging Face have the checksum that it links to', async (test) => {
    const bytes = someBytes(1000);
    const linked = { 'x-linked-etag': `"${sha256(bytes).toUpperCase()}"`, 'x-linked-size': '1000' };
    const { hub } = await startHub(test, bytes, linked);
    const { fetch } = downloads(test, s3, { huggingFace: { endpoint: hub.origin } });
    const fetched = await fetch('linked', 'hf://lab/model@v1.0/weights/a.pth');
    await mustHave(s3, fetched, bytes);
    assert.equal(fetched.manifest.proof, 'published');
    assert.equal(fetched.manifest.source, 'hf://lab/model@v1.0/weights/a.pth');
    assert.match(hub.requests.join(), /HEAD \/lab\/model\/resolve\/v1\.0\/weights\/a\.pth/);
  });

  it('on Hugging Face are refused with another checksum or size than it links to', async (test) => {
    const bytes = someBytes(1000);
    const other = sha256(someBytes(1));
    const lied = await startHub(test, bytes, { 'x-linked-etag': `"${other}"`, 'x-linked-size': '1000' });
    const settings = (endpoint: string) => ({ huggingFace: { endpoint } });
    const fetched = downloads(test, s3, settings(lied.hub.origin)).fetch('lied', 'hf://lab/model/a.pth');
    await mustFail(
      s3,
      'lied',
      fetched,
      'wrongContent',
      new RegExp(`${other} is published, ${sha256(bytes)} came`),
    );
    const linked = { 'x-linked-etag': `"${sha256(bytes)}"`, 'x-linked-size': '1001' };
    const short = await startHub(test, bytes, linked);
    const size = downloads(test, s3, settings(short.hub.origin)).fetch('short', 'hf://lab/model/a.pth');
    await mustFail(s3, 'short', size, 'wrongContent', /published with 1001 bytes, and .* has 1000/);
    assert.ok(!short.storage.requests.some((line) => line === 'GET /blob?sig=secret'));
  });

  it('outside LFS on Hugging Face have no checksum but the pinned one', async (test) => {
    const bytes = someBytes(10);
    const { hub } = await startHub(test, bytes, { 'x-linked-etag': `"${SHA1}"` });
    const { fetch } = downloads(test, s3, { huggingFace: { endpoint: hub.origin } });
    assert.equal((await fetch('small', 'hf://lab/model/config.json')).manifest.proof, 'pinned');
  });

  it('on another origin can claim no checksum of Hugging Face, and get no token of it', async (test) => {
    const bytes = someBytes(1000);
    const { hub, authorizations } = await startHub(test, bytes, { 'x-linked-etag': `"${'0'.repeat(64)}"` });
    const huggingFace = { endpoint: 'http://127.0.0.1:9', token: 'hf_secret' };
    const { fetch } = downloads(test, s3, { huggingFace });
    const fetched = await fetch('elsewhere', `${hub.origin}/lab/model/resolve/main/a.pth`);
    assert.equal(fetched.manifest.proof, 'pinned');
    assert.deepEqual([...authorizations.hub, ...authorizations.storage], ['none', 'none']);
  });

  /** The settings that a worker reads from its environment, in a process that has it. */
  async function fetchWith(name: string, source: string, environment: Readonly<Record<string, string>>) {
    const env = { ...s3.env, GLEE_ALLOW_PRIVATE_SOURCES: '127.0.0.1', ...environment };
    const script = join(import.meta.dirname, 'fetch-process.js');
    const { stdout } = await promisify(execFile)(process.execPath, [script, name, source], { env });
    assert.doesNotMatch(stdout, /secret/);
    return { outcome: 'fetched', manifest: parseObject(stdout, manifestSchema, 'what it printed') } as const;
  }

  it('are asked for at HF_ENDPOINT, with HF_TOKEN for its own origin only', async (test) => {
    const bytes = someBytes(1000);
    const { hub, authorizations } = await startHub(test, bytes, { 'x-linked-etag': `"${sha256(bytes)}"` });
    const environment = { HF_ENDPOINT: `${hub.origin}/`, HF_TOKEN: 'hf_secret', NO_PROXY: '*' };
    for (const [name, source] of [
      ['by-name', 'hf://lab/model/a.pth'],
      ['by-address', `${hub.origin}/lab/model/resolve/main/a.pth`],
    ] as const) {
      const fetched = await fetchWith(name, source, environment);
      await mustHave(s3, fetched, bytes);
      assert.equal(fetched.manifest.proof, 'published');
    }
    assert.deepEqual([...authorizations.hub], ['Bearer hf_secret']);
    assert.deepEqual([...authorizations.storage], ['none']);
  });

  it('are fetched through HTTP_PROXY, but for the hosts of NO_PROXY, and S3 never', async (test) => {
    const bytes = someBytes(100_000);
    const server = await startWebServer(test, (exchange) => sendFile(exchange, { bytes, etag: '"1"' }));
    const proxy = await startProxyServer(test);
    const url = `${server.origin}/a.pth`;
    await mustHave(s3, await fetchWith('proxied', url, { HTTP_PROXY: proxy.url }), bytes);
    const { host } = new URL(url);
    assert.ok(
      proxy.requests.length > 0 && proxy.requests.every((line) => line.includes(host)),
      proxy.requests.join('\n'),
    );
    const passed = proxy.requests.length;
    const direct = { HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' };
    await mustHave(s3, await fetchWith('direct', url, direct), bytes);
    assert.equal(proxy.requests.length, passed);
    const first = downloads(test, s3, { proxies: { httpProxy: 'http://127.0.0.1:9' } });
    await mustFail(s3, 'no-proxy', first.fetch('no-proxy', url), 'unavailable', /refuses connections/);
  });

  it("among GitHub's releases have the digest that its API states, asked once and without a token", async (test) => {
    const bytes = someBytes(1000);
    const asset = (digest: string | null) => ({
      assets: [
        { name: 'a b.pth', digest },
        { name: 'c', digest: null },
      ],
    });
    let release: unknown = asset(`sha256:${sha256(bytes)}`);
    const api = await startWebServer(test, ({ response }) => {
      if (release === undefined) return void response.writeHead(403).end('rate limit exceeded');
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(release));
    });
    const site = await startWebServer(test, (exchange) => sendFile(exchange, { bytes, etag: '"1"' }));
    const fetching = (name: string, path: string) =>
      downloads(test, s3, { github: { site: site.origin, api: api.origin } }).fetch(name, site.origin + path);
    const tagged = '/lab/model/releases/download/v1/a%20b.pth';
    const fetched = await fetching('tagged', tagged);
    await mustHave(s3, fetched, bytes);
    assert.equal(fetched.manifest.proof, 'published');
    assert.deepEqual(api.requests, ['GET /repos/lab/model/releases/tags/v1']);
    const latest = await fetching('latest', '/lab/model/releases/latest/download/a%20b.pth');
    assert.equal(latest.manifest.proof, 'published');
    assert.equal(api.requests.at(-1), 'GET /repos/lab/model/releases/latest');

    const other = sha256(someBytes(1));
    release = asset(`sha256:${other}`);
    await mustFail(
      s3,
      'wrong',
      fetching('wrong', tagged),
      'wrongContent',
      new RegExp(`${other} is published`),
    );
    for (const [name, states] of [
      ['old', asset(null)],
      ['limited', undefined],
      ['odd', { message: 'Moved' }],
    ] as const) {
      release = states;
      assert.equal((await fetching(name, tagged)).manifest.proof, 'pinned', name);
    }
    const asked = api.requests.length;
    await fetching('raw', '/lab/model/raw/main/a.pth');
    assert.equal(api.requests.length, asked);
  });
});
