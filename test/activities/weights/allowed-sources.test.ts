import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { MockActivityEnvironment } from '@temporalio/testing';
import { mustBeAllowed } from '../../../activities/weights/allowed-recipe.ts';
import { createAddressGuard, isPublicAddress } from '../../../activities/weights/sources/public-address.ts';
import { createWeightsActivities } from '../../../activities/weights-activities.ts';
import { hasSecret, secretProblem } from '../../../contracts/sources.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { downloads, mustFail, mustHave, PART, someBytes } from './downloads.ts';
import { sendFile, startWebServer } from './web-server.ts';

const PRIVATE = [
  ...['127.0.0.1', '127.9.9.9', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254'],
  ...['100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '198.18.0.1', '192.0.2.1', '192.0.0.1'],
  ...['::1', '::', 'fc00::1', 'fd12::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1', '::ffff:127.0.0.1'],
  ...['::ffff:a00:1', '64:ff9b::a00:1', '2002:a00:1::', '2001::1', '2001:db8::1', '::127.0.0.1'],
];
const PUBLIC = ['8.8.8.8', '172.32.0.1', '172.15.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1'];

describe('isPublicAddress', () => {
  it('tells addresses of the internet from all others', () => {
    assert.deepEqual(PRIVATE.filter(isPublicAddress), []);
    assert.deepEqual(
      PUBLIC.filter((address) => !isPublicAddress(address)),
      [],
    );
    assert.equal(isPublicAddress('no address'), false);
  });
});

describe('an address guard', () => {
  const guard = createAddressGuard(['nas.lab', '10.0.0.7', '[fd00::7]']);

  it('refuses private addresses in all forms that a URL may give them', () => {
    const hosts = ['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '[::1]', '[::ffff:7f00:1]'];
    for (const host of [...hosts, 'localhost', 'LOCALHOST.', 'a.localhost', '169.254.169.254', '10.0.0.8']) {
      assert.throws(
        () => guard.mustAllow(new URL(`http://${host}/x`)),
        { name: 'FetchError', kind: 'unauthorized', message: /GLEE_ALLOW_PRIVATE_SOURCES/ },
        host,
      );
    }
    for (const host of ['10.0.0.7', '[fd00::7]', 'nas.lab', '8.8.8.8', 'example.com'])
      guard.mustAllow(new URL(`http://${host}/x`));
  });

  it('refuses a name when it is connected to, by what it means then', async () => {
    const resolved = (allowed: readonly string[], all: boolean) =>
      new Promise<unknown>((resolve, reject) =>
        createAddressGuard(allowed).lookup('localhost', { all }, (error, address) =>
          error === null ? resolve(address) : reject(error),
        ),
      );
    await assert.rejects(resolved([], true), { name: 'FetchError', kind: 'unauthorized' });
    await assert.rejects(resolved(['127.0.0.9'], false), { name: 'FetchError', kind: 'unauthorized' });
    assert.match(String(await resolved(['localhost'], false)), /^(127\.0\.0\.1|::1)$/);
    assert.ok(Array.isArray(await resolved(['localhost'], true)));
  });
});

describe('secrets in addresses', () => {
  it('are seen in any scheme, and not said again', () => {
    const secrets = ['https://u:p@host/x', 'http://u@host/x', 'hf://u:p@lab/x', 's3://KEY:SECRET@bucket/x'];
    const queries = ['https://h/x?a=1&X-Amz-Signature=0', 'https://h/x?sig=1', 'https://h/x?token=t'];
    for (const address of [...secrets, ...queries]) assert.ok(hasSecret(address), address);
    for (const address of [
      'hf://lab/model@rev/x.pth',
      'https://h/a@b?page=1',
      's3://bucket/k@v',
      'file:///a@b',
    ])
      assert.ok(!hasSecret(address), address);
    const said = secretProblem('swin', ['https://user:hunter2@host/x']) ?? '';
    assert.match(said, /'swin'.*change the credential/);
    assert.doesNotMatch(said, /hunter2/);
  });

  it('and plain HTTP without a checksum are refused where a download begins', () => {
    const recipe = (source: string, sha256?: string) =>
      ({ how: 'download', sources: ['hf://lab/model/x.pth', source], ...(sha256 && { sha256 }) }) as const;
    const refusal = (message: RegExp) => ({ name: 'FetchError', kind: 'unusableSource', message });
    assert.throws(() => mustBeAllowed('a', recipe('https://u:p@h/x')), refusal(/change the credential/));
    assert.throws(() => mustBeAllowed('a', recipe('HTTP://h/x')), refusal(/not encrypted.*give its sha256/));
    assert.throws(() => mustBeAllowed('a', recipe(`https://h/${'x'.repeat(3000)}`)), refusal(/no address/));
    mustBeAllowed('a', recipe('http://h/x', '0'.repeat(64)));
    mustBeAllowed('a', recipe('https://h/x'));
  });
});

describe('a download', { concurrency: true }, () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('reaches no private address, be it named, resolved or redirected to', async (test) => {
    const asked: string[] = [];
    const server = await startWebServer(test, ({ request, response }) => {
      asked.push(request.url ?? '');
      const location = `http://169.254.169.254/latest/meta-data/iam`;
      response.writeHead(302, { location }).end();
    });
    const huggingFace = { endpoint: 'http://127.0.0.3:9' };
    const strict = downloads(test, s3, { huggingFace, privateHosts: [] });
    const hint = /private network.*GLEE_ALLOW_PRIVATE_SOURCES/;
    await mustFail(s3, 'named', strict.fetch('named', `${server.origin}/x`), 'unauthorized', hint);
    assert.deepEqual(asked, []);
    const { fetch } = downloads(test, s3);
    await mustFail(s3, 'redirected', fetch('redirected', `${server.origin}/x`), 'unauthorized', hint);
    const own = await lookup(hostname()).catch(() => undefined);
    if (own === undefined || isPublicAddress(own.address)) return;
    const byName = `http://${hostname()}:1/x`;
    await mustFail(s3, 'resolved', strict.fetch('resolved', byName), 'unauthorized', hint);
  });

  it('is refused before its source is asked where the address has a secret, or proves nothing', async (test) => {
    const asked: string[] = [];
    const { origin } = await startWebServer(test, ({ request, response }) => {
      asked.push(request.url ?? '');
      response.end('weights');
    });
    const { tools } = downloads(test, s3);
    const activities = createWeightsActivities({ ...tools, client: s3.client });
    const secret = origin.replace('//', '//u:p@');
    for (const recipe of [
      { how: 'download', sources: [`${origin}/plain`] },
      { how: 'download', sources: [`${secret}/secret`], sha256: '0'.repeat(64) },
    ] as const) {
      const artifact = { name: 'refused', path: 'weights/refused.pth', recipe };
      for (const ask of [
        () => activities.checkSources({ artifacts: [artifact] }),
        () => activities.fetchArtifact({ artifact, recipe }),
      ])
        await assert.rejects(new MockActivityEnvironment().run(ask), { type: 'SourceRefused' });
    }
    assert.deepEqual(asked, []);
  });

  it('reads files of the folders that it may read from, and none that a link leads to elsewhere', async (test) => {
    const folder = await temporaryFolder(test);
    const [inside, outside] = [join(folder, 'checkout'), join(folder, 'other')];
    const bytes = someBytes(1000);
    for (const place of [inside, outside]) {
      await mkdir(place);
      await writeFile(join(place, 'a.pth'), bytes);
    }
    await symlink(outside, join(inside, 'folder'));
    await symlink(join(outside, 'a.pth'), join(inside, 'link.pth'));
    await symlink(join(inside, 'a.pth'), join(inside, 'own.pth'));
    const { fetch } = downloads(test, s3, { fileRoots: [inside] });
    const url = (path: string) => pathToFileURL(path).href;
    await mustHave(s3, await fetch('inside', url(join(inside, 'a.pth'))), bytes);
    await mustHave(s3, await fetch('own-link', url(join(inside, 'own.pth'))), bytes);
    const hint = /outside the folders.*GLEE_FILE_ROOTS/;
    for (const [index, path] of [
      ...[join(outside, 'a.pth'), join(inside, 'folder/a.pth'), join(inside, 'link.pth'), '/etc/shadow'],
      ...['/dev/zero', '/proc/self/environ', '/no/such/file.pth', `${inside}-2/a.pth`],
    ].entries()) {
      const name = `outside-${index}`;
      await mustFail(s3, name, fetch(name, url(path)), 'unauthorized', hint);
    }
    const missing = fetch('missing', url(join(inside, 'none.pth')));
    await mustFail(s3, 'missing', missing, 'notFound', /no such file/);
  });

  it('refuses bytes that are packed, wherever that is said, and takes the words for plain ones', async (test) => {
    const bytes = someBytes(PART + 1000);
    const server = await startWebServer(test, async (exchange) => {
      const { request, response } = exchange;
      const [, when = '', encoding = ''] = request.url?.split('/') ?? [];
      const isPart = request.headers.range !== undefined;
      const says =
        when === 'always' || (when === 'get' && request.method === 'GET') || (when === 'rest' && isPart);
      if (says) response.setHeader('content-encoding', encoding);
      const cut = when === 'rest' && !isPart ? { cutAfter: PART + 10 } : {};
      await sendFile(exchange, { bytes, etag: '"1"', ...cut });
    });
    const { fetch } = downloads(test, s3);
    const packed = /sends its file packed \(Content-Encoding: \w+\).*unpack it/;
    for (const path of ['always/gzip', 'get/br', 'rest/gzip', 'always/zstd']) {
      const name = path.replace('/', '-');
      await mustFail(s3, name, fetch(name, `${server.origin}/${path}/x.pth`), 'unusableSource', packed);
    }
    for (const path of ['always/identity', 'get/aws-chunked'])
      await mustHave(s3, await fetch(path.replace('/', '-'), `${server.origin}/${path}/x.pth`), bytes);
  });

  it('refuses an object of S3 that is stored packed', async (test) => {
    const Body = gzipSync(someBytes(1000));
    const object = { Bucket: 'glee', Key: 'packed.pth', Body, ContentEncoding: 'gzip' };
    await s3.client.send(new PutObjectCommand(object));
    const { fetch } = downloads(test, s3);
    const refusal = /s3:\/\/glee\/packed\.pth is stored packed \(Content-Encoding: gzip\)/;
    await mustFail(s3, 'object', fetch('object', 's3://glee/packed.pth'), 'unusableSource', refusal);
  });
});
