/** @module A host's disks, its checkout, its clock, and the way to other hosts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { S3Client } from '@aws-sdk/client-s3';
import { claimHead, commitHead } from '../../../activities/checkpoints/head.ts';
import { checkCollective } from '../../../activities/preflight/collective-check.ts';
import { callOn, openMeeting } from '../../../activities/preflight/collective-meeting.ts';
import { runCheck } from '../../../activities/preflight/finding.ts';
import { readServerDate } from '../../../activities/storage/s3-server-date.ts';
import type { MetHost } from '../../../contracts/health.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { makeScratch, writeScript } from '../training/jobs.ts';
import { checkOf, lookAt, makeCheckedHost } from './hosts.ts';

const running = (): AbortSignal => new AbortController().signal;

describe('a check that hangs', () => {
  it('fails by name when its time is up', async () => {
    const make = () => new Promise<never>(() => undefined);
    assert.deepEqual(await runCheck({ name: 'disk', limitMs: 50, make }, running()), {
      name: 'disk',
      outcome: 'failed',
      said: 'no answer within 0.05 s',
      inconclusive: true,
    });
  });
});

describe('the room of a host', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('has to do for two checkpoints, as large as the last one', async (t) => {
    const host = { ...(await makeCheckedHost(t, true)), ...s3 };
    const stage = { run: 'run', stage: 'stage1' };
    await claimHead(s3.store, stage, 1);
    const file = { key: 'k', sha256: 'a'.repeat(64), sizeBytes: 1e15 };
    const rest = { name: 'model_0000009.pth', iterations: 10, final: false, file, savedAt: 1 };
    await commitHead(s3.store, { ...stage, token: 1, ...rest });
    const room = checkOf(await lookAt(host), 'room');
    assert.deepEqual([room.outcome, room.hostFault], ['failed', undefined]);
    assert.match(
      room.said,
      /GB free at \S+, 2000000 GB needed .*two checkpoints of 1000000 GB, as the last one/,
    );
  });

  it('has to do for what the stage places there', async (t) => {
    const host = await makeCheckedHost(t, true);
    const artifact = { name: 'w', bucket: 'b', key: 'k', sha256: 'c'.repeat(64), sizeBytes: 1e15 };
    const placed = { weights: { kind: 'artifact', artifact }, files: [] } as const;
    const room = checkOf(await lookAt(host, { placed }), 'room');
    assert.equal(room.outcome, 'failed');
    assert.match(room.said, /7000000 GB needed/);
  });

  it('is asked of S3 what time it is, also where it refuses', async () => {
    const near = (date: number | undefined) => date !== undefined && Math.abs(date - Date.now()) < 2000;
    assert.ok(near(await s3.serverDate(running())));
    assert.ok(near(await readServerDate(s3.client, 'no-such-bucket', running())));
  });
});

describe('the clock of a host', () => {
  /** An S3 whose clock is so many seconds ahead. */
  async function s3Ahead(
    t: TestContext,
    seconds: number,
  ): Promise<(signal: AbortSignal) => Promise<number | undefined>> {
    const server = createServer((_, response) => {
      response.sendDate = false;
      response.setHeader('Date', new Date(Date.now() + seconds * 1000).toUTCString());
      response.writeHead(403).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${portOf(server)}`;
    const credentials = { accessKeyId: 'k', secretAccessKey: 's' };
    const client = new S3Client({ endpoint, region: 'r', credentials, forcePathStyle: true });
    t.after(() => {
      client.destroy();
      server.close();
    });
    return (signal) => readServerDate(client, 'glee', signal);
  }

  for (const [seconds, outcome, said] of [
    [20, 'passed', /^(19|20)\.\d s behind S3's$/],
    [90, 'failed', /^(89|90)\.\d s behind S3's: let it follow a time server/],
    [-7200, 'failed', /^7(199|200)\.\d s ahead of S3's/],
  ] as const) {
    it(`has ${outcome} when S3's is ${seconds} s ahead`, async (t) => {
      const host = { ...(await makeCheckedHost(t, true)), serverDate: await s3Ahead(t, seconds) };
      const report = await lookAt(host);
      const clock = checkOf(report, 'clock');
      assert.equal(clock.outcome, outcome);
      assert.match(clock.said, said);
      assert.equal(clock.hostFault ?? false, outcome === 'failed');
      assert.ok(Math.abs((report.clockOffsetMs ?? 0) + seconds * 1000) < 1500);
    });
  }

  it('fails by name, and without blame, when S3 does not answer', async (t) => {
    const serverDate = () => Promise.reject(new Error('connect ECONNREFUSED'));
    const clock = checkOf(await lookAt({ ...(await makeCheckedHost(t, true)), serverDate }), 'clock');
    assert.deepEqual([clock.outcome, clock.hostFault, clock.inconclusive], ['failed', undefined, true]);
    assert.match(clock.said, /could not be checked: connect ECONNREFUSED/);
  });
});

describe('the checkout of a host', () => {
  it('is known by its commit, and by what differs from it', async (t) => {
    const host = await makeCheckedHost(t, true);
    const { checkout } = host.settings;
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', checkout, ...args], { encoding: 'utf8' }).trim();
    git('init', '-q');
    git('add', '.');
    git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '-m', 'all');
    const commit = git('rev-parse', 'HEAD');
    assert.equal((await lookAt(host)).checkout, commit);
    await appendFile(join(checkout, 'launch.py'), '# changed\n');
    const changed = (await lookAt(host)).checkout ?? '';
    assert.match(changed, new RegExp(`^${commit}, changed \\([0-9a-f]{8}\\)$`));
    await appendFile(join(checkout, 'launch.py'), '# again\n');
    assert.notEqual((await lookAt(host)).checkout, changed);
  });

  it('fails by name when it is none', async (t) => {
    const host = await makeCheckedHost(t, true);
    const report = await lookAt({ ...host, settings: { ...host.settings, checkout: '/no/such/glee' } });
    assert.match(checkOf(report, 'checkout').said, /\/no\/such\/glee is no GLEE checkout.*GLEE_CHECKOUT/);
  });
});

describe('hosts of a gang', () => {
  const at = async (name: string, address = '127.0.0.1'): Promise<MetHost> => {
    return { name, address, ports: await openMeeting(name) };
  };
  const pretended = { host: 'gpu-1', scratch: '/none', python: 'python3', pretend: true };
  const input = { run: 'run', stage: 'stage1', token: 1, machineRank: 0, gpusPerHost: 2 };

  it('open a port when they are looked at, if there are several', async (t) => {
    const host = await makeCheckedHost(t, true);
    const plan = { ...host.input.plan, gang: { hosts: 2, gpusPerHost: 2 } };
    const { meeting: ports } = await lookAt(host, { plan });
    assert.ok(ports !== undefined && ports.hello !== ports.ranks);
    assert.equal((await callOn({ name: 'gpu-1', address: '127.0.0.1', ports })).problem, undefined);
  });

  it('reach each other, and say that pretended GPUs add nothing up', async () => {
    const hosts = [await at('gpu-1'), await at('gpu-2'), await at('gpu-3')];
    const report = await checkCollective(pretended, { ...input, hosts }, running());
    assert.deepEqual(report.unreachable, []);
    assert.match(checkOf(report, 'ports').said, /^reaches 2 others, clocks 0\.0 s apart$/);
    assert.equal(checkOf(report, 'collective').outcome, 'skipped');
  });

  it('add something up on their GPUs, as fast as usual', async (t) => {
    const scratch = await makeScratch(t);
    const hosts = [await at('gpu-1'), await at('gpu-2')];
    const speaking = async (script: string) => {
      const python = await writeScript(t, `#!/bin/sh\n${script}\n`);
      const gpuHost = { host: 'gpu-1', scratch, python, pretend: false };
      return checkOf(
        await checkCollective(gpuHost, { ...input, gpuIndices: [4, 6], hosts }, running()),
        'collective',
      );
    };
    const words = `0 2 2 127.0.0.1 ${hosts[0]?.ports.ranks} nccl 40`;
    const says = (figure: number) =>
      `case "$2 $3 $4 $5 $6 $7 $8 $9 $CUDA_VISIBLE_DEVICES" in "collective ${words} 4,6") echo '{"ranks": 4, "gbPerSecond": ${figure}}';; *) echo "Error: $*" >&2; exit 1; esac`;
    for (const figure of [150, 140, 160])
      assert.match(
        (await speaking(says(figure))).said,
        new RegExp(`^${figure} GB/s in an all_reduce of 4 ranks`),
      );
    const slow = await speaking(says(60));
    assert.deepEqual(
      [slow.outcome, slow.said],
      ['failed', '60 GB/s in an all_reduce of 4 ranks, usual here: 150'],
    );
    const broken = await speaking('echo "RuntimeError: NCCL error: unhandled system error" >&2; exit 1');
    assert.match(broken.said, /could not be checked: .*RuntimeError: NCCL error/);
  });

  it('name each that they do not reach, and why', async () => {
    const closed = await at('gpu-3');
    const hosts = [await at('gpu-1'), await at('gpu-2'), { ...closed, ports: await closedPort() }];
    const report = await checkCollective(pretended, { ...input, hosts }, running());
    assert.deepEqual(report.unreachable, ['gpu-3']);
    assert.match(checkOf(report, 'ports').said, /^does not reach gpu-3 at 127\.0\.0\.1:\d+ \(.*ECONNREFUSED/);
    assert.ok(report.checks.every(({ name }) => name !== 'collective'));
  });

  it('do not wait for one that takes the call and says nothing', async (t) => {
    const server = createTcpServer(() => undefined).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const silent = { name: 'gpu-2', address: '127.0.0.1', ports: { hello: portOf(server), ranks: 1 } };
    assert.match((await callOn(silent, 200)).problem ?? '', /no answer within 0\.2 s/);
  });

  it('are not taken for another that answers at their address', async () => {
    const hosts = [await at('gpu-1'), { ...(await at('gpu-7')), name: 'gpu-2' }];
    const report = await checkCollective(pretended, { ...input, hosts }, running());
    assert.deepEqual(report.unreachable, ['gpu-2']);
    assert.match(checkOf(report, 'ports').said, /for gpu-2, answers gpu-7: mend GLEE_ADDRESS/);
  });
});

function portOf(server: Pick<Server, 'address'>): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}

async function closedPort(): Promise<MetHost['ports']> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const hello = portOf(server);
  server.close();
  await once(server, 'close');
  return { hello, ranks: 1 };
}
