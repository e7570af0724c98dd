import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { storageRefusal } from '../../../planning/environment/s3-client.ts';
import { watchCredentials } from '../../../planning/environment/s3-credentials.ts';
import { freePort } from '../../../sandbox/server-start.ts';
import { keepAlive } from '../../../sandbox/keep-alive.ts';
import { obtainServer } from '../../../sandbox/obtain.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { until } from '../../support/until.ts';

const run = promisify(execFile);
const SCRIPT = join(packageRoot, 'dist/test/planning/environment/s3-transfer.js');
const KEYS = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secretsecret', AWS_REGION: 'us-east-1' };

describe('createS3Client', () => {
  it('asks for encryption where objects are made, and nowhere else', async (test) => {
    const { endpoint, seen } = await startListener(test);
    const env = { ...KEYS, AWS_ENDPOINT_URL_S3: endpoint, GLEE_S3_SSE: 'aws:kms', GLEE_S3_SSE_KMS_KEY: 'k1' };
    await run(process.execPath, [SCRIPT, 'touch'], { env });
    const asked = seen.map(({ method, headers }) => [
      method,
      headers['x-amz-server-side-encryption'],
      headers['x-amz-server-side-encryption-aws-kms-key-id'],
    ]);
    assert.deepEqual(asked, [
      ['PUT', 'aws:kms', 'k1'],
      ['POST', 'aws:kms', 'k1'],
      ['GET', undefined, undefined],
    ]);
  });

  it('has the bucket in the path or in the host name, as it is told', async (test) => {
    const { endpoint, seen } = await startListener(test);
    // A name, as an address cannot have the bucket before it.
    const env = { ...KEYS, AWS_ENDPOINT_URL_S3: endpoint.replace('127.0.0.1', 'localhost') };
    await run(process.execPath, [SCRIPT, 'touch'], { env: { ...env, GLEE_S3_PATH_STYLE: 'true' } });
    assert.match(seen[0]?.url ?? '', /^\/glee\/x/);
    await run(process.execPath, [SCRIPT, 'touch'], { env: { ...env, GLEE_S3_PATH_STYLE: 'false' } }).catch(
      () => undefined,
    );
    for (const { headers, url = '' } of seen.slice(3)) {
      assert.match(String(headers.host), /^glee\.localhost/);
      assert.match(url, /^\/x/);
    }
  });

  it('says which setting is invalid', async () => {
    const touch = (env: NodeJS.ProcessEnv) =>
      run(process.execPath, [SCRIPT, 'touch'], { env: { ...KEYS, ...env } });
    await assert.rejects(touch({ GLEE_S3_SSE: 'rot13' }), /GLEE_S3_SSE: /);
    await assert.rejects(touch({ GLEE_S3_SSE_KMS_KEY: 'k' }), /set GLEE_S3_SSE=aws:kms too/);
    await assert.rejects(touch({ AWS_CA_BUNDLE: '/no/such.pem' }), /AWS_CA_BUNDLE: ENOENT/);
  });

  it('transfers over TLS from a server whose authority only AWS_CA_BUNDLE names', async (test) => {
    const folder = await temporaryFolder(test);
    const [key, cert, file] = [join(folder, 'key.pem'), join(folder, 'cert.pem'), join(folder, 'file.pth')];
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
        ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
      ],
      { stdio: 'ignore' },
    );
    await writeFile(file, randomBytes((20 << 20) + 5));
    const port = await freePort();
    const server = keepAlive({
      name: 'versitygw',
      command: await obtainServer('versitygw'),
      args: [
        ...['--port', `127.0.0.1:${port}`, '--region', 'us-east-1', '--quiet', '--cert', cert, '--key', key],
        ...['posix', folder],
      ],
      env: { ROOT_ACCESS_KEY_ID: KEYS.AWS_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY: KEYS.AWS_SECRET_ACCESS_KEY },
      logFile: join(folder, 'server.log'),
    });
    try {
      const env = { ...KEYS, AWS_ENDPOINT_URL_S3: `https://localhost:${port}`, GLEE_S3_PATH_STYLE: 'true' };
      const transfer = (more: NodeJS.ProcessEnv) =>
        run(process.execPath, [SCRIPT, 'transfer', file], { env: { ...env, ...more } });
      await until('the server to listen', () =>
        transfer({}).then(
          () => true,
          (error: unknown) => !String(error).includes('ECONNREFUSED'),
        ),
      );
      assert.equal((await transfer({ AWS_CA_BUNDLE: cert })).stdout, 'same\n');
      await assert.rejects(transfer({}), /self-signed certificate/);
    } finally {
      await server.stop();
    }
  });
});

describe('credentials that cannot be had', () => {
  const LIMITS = { beforeSuccessMs: 1000, afterSuccessMs: 5000 };
  const missing = () =>
    Promise.reject(Object.assign(new Error('no one has any'), { name: 'CredentialsProviderError' }));
  // Soon to expire, so that the SDK asks for them each time.
  const good = () =>
    Promise.resolve({ accessKeyId: 'key', secretAccessKey: 'secretsecret', expiration: new Date() });

  it('for a while are no refusal: the next request has those that have come', async (test) => {
    const { endpoint } = await startListener(test);
    const folder = await temporaryFolder(test);
    const [flag, program, config] = [
      join(folder, 'flag'),
      join(folder, 'process.sh'),
      join(folder, 'config'),
    ];
    const keys = '{"Version":1,"AccessKeyId":"key","SecretAccessKey":"secretsecret"}';
    await writeFile(program, `#!/bin/sh\n[ -e ${flag} ] && echo '${keys}'\n`, { mode: 0o700 });
    await writeFile(config, `[default]\ncredential_process = ${program}\n`);
    const env = {
      ...{ AWS_CONFIG_FILE: config, AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: 'us-east-1' },
      ...{ AWS_EC2_METADATA_DISABLED: 'true', PATH: process.env.PATH ?? '' },
    };
    const { stdout } = await run(process.execPath, [SCRIPT, 'credentials', flag], { env });
    assert.match(stdout, /^may pass: CredentialsProviderError: .*Could not load credentials.*\nwritten\n$/);
  });

  it('are refused with what to do when it lasts, later where there have been some', async (test) => {
    const { endpoint } = await startListener(test);
    let provide: () => ReturnType<typeof good> = missing;
    let now = 0;
    const options = { endpoint, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 };
    const client = new S3Client({ ...options, credentials: () => provide() });
    test.after(() => client.destroy());
    watchCredentials(client, LIMITS, () => now);
    const refusal = () =>
      client.send(new GetObjectCommand({ Bucket: 'glee', Key: 'x' })).then(
        () => 'answered',
        (error: unknown) => storageRefusal(error) ?? 'may pass',
      );
    assert.equal(await refusal(), 'may pass');
    now = 1500;
    assert.match(await refusal(), /^CredentialsRefused: .*no one has any.*aws sts get-caller-identity/);
    provide = good;
    assert.equal(await refusal(), 'answered');
    provide = missing;
    now = 2000;
    assert.equal(await refusal(), 'may pass');
    now = 6000;
    assert.equal(await refusal(), 'may pass');
    now = 7500;
    assert.match(await refusal(), /^CredentialsRefused: /);
  });

  it('because theirs is expired are waited for as well, whatever status S3 says it with', () => {
    for (const status of [400, 403]) {
      const expired = { name: 'ExpiredToken', $metadata: { httpStatusCode: status } };
      assert.equal(storageRefusal(Object.assign(new Error('expired'), expired)), undefined);
    }
    const denied = { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } };
    assert.match(storageRefusal(Object.assign(new Error('no'), denied)) ?? '', /^AccessDenied/);
  });
});

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
}

/** Answers everything with an upload id. */
async function startListener(test: TestContext): Promise<{ endpoint: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, answer) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers });
    request.resume();
    answer.end('<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>');
  });
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${port}`, seen };
}
