/**
 * @module The embedded servers for real: killed, they are back on their ports with their data, and stopped, they leave
 * nothing behind. Stand-in executables take Go's and the servers' place where it is about what is run, and when.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { GetObjectCommand, PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { Client, Connection } from '@temporalio/client';
import { keepAlive, type KeepAliveEvent, type KeepAliveOptions } from '../../sandbox/keep-alive.ts';
import { obtainServer } from '../../sandbox/obtain.ts';
import { readPinnedServer } from '../../sandbox/pinned.ts';
import { dyingWithUs, groupRuns, processStartTime } from '../../sandbox/processes.ts';
import { startS3, startTemporal, type S3Server, type TemporalServer } from '../../sandbox/servers.ts';
import { until } from '../support/until.ts';

const scratch = await mkdtemp(join(tmpdir(), 'glee-servers-'));
after(() => rm(scratch, { recursive: true, force: true }));
const newFolder = () => mkdtemp(join(scratch, 'case-'));

describe('the Temporal server', () => {
  it('comes back after SIGKILL on the same address, with its workflows', async (t) => {
    const server = await temporal(t);
    const client = await clientOf(t, server);
    const handle = await client.workflow.start('nobodyRunsIt', { taskQueue: 'none', workflowId: 'kept' });
    await handle.signal('first');
    const killed = server.process.pid;
    assert.equal(server.process.kill('SIGKILL'), true);
    await until('another process', () => server.process.pid !== undefined && server.process.pid !== killed);
    const found = await until('the workflow', () => handle.describe().catch(() => undefined));
    assert.equal(found.runId, handle.firstExecutionRunId);
    await handle.signal('second');
    const types = (await handle.fetchHistory()).events?.map((event) => event.eventType);
    // Started, a task for it, and both signals.
    assert.equal(types?.length, 4);
  });

  it('shows its web UI', async (t) => {
    const { uiUrl } = await temporal(t);
    const answer = await until('the web UI', () => fetch(uiUrl).catch(() => undefined));
    assert.equal(answer.status, 200);
  });

  it('runs twice side by side, each with workflows of its own', async (t) => {
    const servers = await Promise.all([temporal(t), temporal(t)]);
    assert.notEqual(servers[0].address, servers[1].address);
    assert.notEqual(servers[0].uiUrl, servers[1].uiUrl);
    for (const server of servers) {
      const client = await clientOf(t, server);
      await client.workflow.start('nobodyRunsIt', { taskQueue: 'none', workflowId: 'the-same-id' });
    }
  });

  it('is given up with the end of its log when it cannot start', async () => {
    const executable = await script(await newFolder(), 'temporal', 'echo "unknown flag: --ip" >&2; exit 1');
    const start = startTemporal({ directory: await newFolder(), executable });
    await assert.rejects(start, /temporal ended 5 times[^]*temporal\.log:[^]*unknown flag: --ip/);
  });

  it('leaves nothing running when its start is interrupted', async () => {
    const executable = await script(await newFolder(), 'temporal', 'exec /bin/sleep 1000');
    const abort = new AbortController();
    const events: KeepAliveEvent[] = [];
    const start = startTemporal({
      directory: await newFolder(),
      executable,
      onEvent: (event) => events.push(event),
      signal: abort.signal,
    });
    abort.abort();
    await assert.rejects(start, { name: 'AbortError' });
    const [started] = events;
    assert.equal(started?.type, 'started');
    assert.equal(groupRuns(started.pid), false);
  });
});

describe('the S3 server', () => {
  it('keeps its objects over a SIGKILL', async (t) => {
    const server = await s3(t);
    const client = s3Client(t, server);
    const body = Buffer.alloc(6_000_000, 'weights');
    await client.send(new PutObjectCommand({ Bucket: server.bucket, Key: 'a/b', Body: body }));
    const killed = server.process.pid;
    server.process.kill('SIGKILL');
    await until('another process', () => server.process.pid !== undefined && server.process.pid !== killed);
    const read = () => client.send(new GetObjectCommand({ Bucket: server.bucket, Key: 'a/b' }));
    const object = await until('the object', () => read().catch(() => undefined));
    assert.deepEqual(Buffer.from((await object.Body?.transformToByteArray()) ?? []), body);
  });

  it('lets one of many conditional writers win', async (t) => {
    const server = await s3(t);
    const client = s3Client(t, server);
    const put = (condition: { IfMatch?: string; IfNoneMatch?: string }) =>
      client.send(new PutObjectCommand({ Bucket: server.bucket, Key: 'head', Body: '{}', ...condition }));
    const first = await put({ IfNoneMatch: '*' });
    assert.ok(first.ETag);
    await assert.rejects(put({ IfNoneMatch: '*' }), isRefusal);
    await assert.rejects(put({ IfMatch: '"0123456789abcdef0123456789abcdef"' }), isRefusal);
    const condition = { IfMatch: first.ETag };
    const rivals = Array.from({ length: 16 }, (_, rival) =>
      client.send(
        new PutObjectCommand({ Bucket: server.bucket, Key: 'head', Body: `${rival}`, ...condition }),
      ),
    );
    const outcomes = await Promise.allSettled(rivals);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(isRefusal(outcome.reason));
  });

  it('continues with its objects when it is started on the same folder, with new keys', async (t) => {
    const directory = await newFolder();
    const first = await s3(t, directory);
    await s3Client(t, first).send(new PutObjectCommand({ Bucket: first.bucket, Key: 'k', Body: 'kept' }));
    await first.process.stop();
    const second = await s3(t, directory);
    assert.notEqual(second.secretAccessKey, first.secretAccessKey);
    const object = await s3Client(t, second).send(new GetObjectCommand({ Bucket: second.bucket, Key: 'k' }));
    assert.equal(await object.Body?.transformToString(), 'kept');
  });

  it('keeps its secret out of its log and its command line, and itself on this machine', async (t) => {
    const server = await s3(t);
    const log = await readFile(server.process.logFile, 'utf8');
    const commandLine = await readFile(`/proc/${server.process.pid ?? ''}/cmdline`, 'utf8').catch(() => '');
    for (const text of [log, commandLine]) assert.doesNotMatch(text, new RegExp(server.secretAccessKey));
    assert.match(server.endpoint, /^http:\/\/127\.0\.0\.1:/);
  });

  it('runs twice side by side', async (t) => {
    const [one, other] = await Promise.all([s3(t), s3(t)]);
    assert.notEqual(one.endpoint, other.endpoint);
  });
});

describe('keepAlive', () => {
  it('starts a child again that was killed, with the same command', async (t) => {
    const { kept, events } = await keep(t, 'echo "up $GREETING"; exec /bin/sleep 1000');
    await until('its word', async () => (await logOf(kept.logFile)) === 'up hello\n');
    const first = kept.pid;
    assert.equal(kept.kill('SIGKILL'), true);
    await until('another child', () => kept.pid !== undefined && kept.pid !== first);
    await until('its word again', async () => (await logOf(kept.logFile)) === 'up hello\nup hello\n');
    assert.deepEqual(events, ['started', 'exited SIGKILL', 'started']);
  });

  it('gives up on a command that ends again and again, with the end of its log', async (t) => {
    const { kept, events } = await keep(t, 'echo "bad flag" >&2; exit 3');
    const error = await until('it to give up', () => kept.gaveUp);
    assert.match(error.message, /child ended 5 times, each within 1000 ms/);
    assert.ok(error.message.includes(`${kept.logFile}:`));
    assert.match(error.message, /bad flag/);
    assert.equal(events.filter((event) => event === 'exited exit status 3').length, 5);
    assert.equal(events.at(-1), 'gaveUp');
  });

  it('gives up on a command that does not exist', async (t) => {
    const { kept } = await keep(t, '', { command: '/does/not/exist', args: [] });
    assert.match((await until('it to give up', () => kept.gaveUp)).message, /\/does\/not\/exist/);
  });

  it('does not give up on a child that others kill often', async (t) => {
    const { kept } = await keep(t, 'exec /bin/sleep 1000');
    for (let kills = 0; kills < 7; kills += 1) {
      const pid = await until('a child', () => kept.pid);
      process.kill(pid, 'SIGKILL');
      await until('its end', () => kept.pid !== pid);
    }
    await until('one more child', () => kept.pid);
  });

  it('leaves nothing behind when it stops, neither what ignores SIGTERM nor what the child has started', async (t) => {
    const { kept, events } = await keep(t, 'trap "" TERM; /bin/sleep 1000 & echo "$!"; wait; wait', {
      graceMs: 200,
    });
    const grandchild = await until('the grandchild', () => numberIn(kept.logFile));
    assert.ok(processStartTime(grandchild));
    const group = kept.pid;
    assert.ok(group);
    await kept.stop();
    assert.equal(kept.pid, undefined);
    assert.equal(groupRuns(group), false);
    assert.equal(processStartTime(grandchild), undefined);
    await kept.stop();
    assert.deepEqual(events, ['started', 'exited SIGKILL']);
  });

  it('ends what a dead child has left in its group before it starts the next', async (t) => {
    const { kept } = await keep(t, '/bin/sleep 1000 & echo "$!"; wait');
    const orphan = await until('the grandchild', () => numberIn(kept.logFile));
    kept.kill('SIGKILL');
    await until('the orphan to end', () => processStartTime(orphan) === undefined);
  });

  it('has its children end with the process it runs in, even by SIGKILL', async (t) => {
    const [command] = dyingWithUs('true', []);
    if (command === 'true') {
      t.skip('no setpriv here: children outlive a SIGKILL');
      return;
    }
    const module = join(import.meta.dirname, '../../sandbox/keep-alive') + extname(import.meta.filename);
    const logFile = join(await newFolder(), 'log');
    const options = { name: 'child', command: '/bin/sleep', args: ['1000'], logFile };
    const program = `import { keepAlive } from ${JSON.stringify(module)};
      console.log(keepAlive(${JSON.stringify(options)}).pid);`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', program]);
    const printed = await once(parent.stdout, 'data');
    const pid = Number(String(printed[0]));
    assert.ok(processStartTime(pid));
    parent.kill('SIGKILL');
    await until('the child to end', () => processStartTime(pid) === undefined);
  });
});

describe('obtainServer', () => {
  it('prefers what is on PATH, if new enough, to the cache and to a build', async () => {
    const place = await newPlace();
    const { version } = await readPinnedServer('versitygw');
    await fakeGo(place);
    assert.equal(await obtainServer('versitygw', place), place.cached);
    await script(place.bin, 'versitygw', 'echo "Version  : v0.9.9"');
    assert.equal(await obtainServer('versitygw', place), place.cached);
    await script(place.bin, 'versitygw', `echo "Version  : v${version}"`);
    assert.equal(await obtainServer('versitygw', place), join(place.bin, 'versitygw'));
    await script(place.bin, 'versitygw', 'echo "Version  : git"');
    assert.equal(await obtainServer('versitygw', place), join(place.bin, 'versitygw'));
    await script(place.bin, 'versitygw', 'exit 1');
    assert.equal(await obtainServer('versitygw', place), place.cached);
    assert.equal(await logOf(place.builds), 'built\n');
  });

  it('builds once when two want it at the same time', async () => {
    const place = await newPlace();
    await fakeGo(place, `while [ ! -e ${place.bin}/go-on ]; do /bin/sleep 0.02; done`);
    const told: string[] = [];
    const options = { ...place, onProgress: (message: string) => told.push(message) };
    const both = Promise.all([obtainServer('versitygw', options), obtainServer('versitygw', options)]);
    await until('one to wait', () => told.some((message) => message.startsWith('waiting for process')));
    await writeFile(join(place.bin, 'go-on'), '');
    assert.deepEqual(await both, [place.cached, place.cached]);
    assert.equal(await logOf(place.builds), 'built\n');
    assert.ok(told.some((message) => /^building versitygw .* with Go/.test(message)));
    assert.deepEqual(await readdir(join(place.cached, '..')), [place.cached.split('/').at(-1)]);
  });

  it('takes over the lock of a process that is gone', async () => {
    const place = await newPlace();
    await fakeGo(place);
    const lock = `${place.cached}.lock`;
    await mkdir(lock, { recursive: true });
    // Our own pid, but another start: a later process with the same pid is not the holder.
    await writeFile(join(lock, `${process.pid}_1`), '');
    assert.equal(await obtainServer('versitygw', place), place.cached);
  });

  it('says what was tried and what to install when there is no way', async () => {
    const place = await newPlace();
    const error = await obtainServer('versitygw', place).then(() => assert.fail(), String);
    assert.match(error, /PATH: no versitygw/);
    assert.match(error, /build with Go: no go on PATH/);
    assert.match(error, /install versitygw .* on PATH: https/);
    assert.match(error, /install Go 1\.\d+.* or newer/);
    assert.doesNotMatch(error, /AWS_ENDPOINT_URL_S3/);
  });

  it("shows the end of Go's output when the build fails, and leaves nothing in the cache", async () => {
    const place = await newPlace();
    await fakeGo(place, 'echo "dial tcp: no route to proxy.golang.org" >&2; exit 1');
    await assert.rejects(obtainServer('versitygw', place), /build with Go: dial tcp: no route/);
    assert.deepEqual(await readdir(join(place.cached, '..')), []);
  });

  it('ends a build that is interrupted, with all its processes', async () => {
    const place = await newPlace();
    await fakeGo(place, `echo "$$" > ${place.builds}; /bin/sleep 1000; exit 1`);
    const abort = new AbortController();
    const obtained = obtainServer('versitygw', { ...place, signal: abort.signal });
    const pid = await until('the build', () => numberIn(place.builds));
    abort.abort();
    await assert.rejects(obtained, { name: 'AbortError' });
    assert.equal(groupRuns(pid), false);
  });
});

async function temporal(t: TestContext): Promise<TemporalServer> {
  const executable = await obtainServer('temporal');
  const server = await startTemporal({ directory: await newFolder(), executable });
  t.after(() => server.process.stop());
  return server;
}

async function s3(t: TestContext, directory?: string): Promise<S3Server> {
  const executable = await obtainServer('versitygw');
  const server = await startS3({ directory: directory ?? (await newFolder()), executable, bucket: 'glee' });
  t.after(() => server.process.stop());
  return server;
}

async function clientOf(t: TestContext, { address, namespace }: TemporalServer): Promise<Client> {
  const connection = await Connection.connect({ address });
  t.after(() => connection.close());
  return new Client({ connection, namespace });
}

function s3Client(t: TestContext, { endpoint, region, accessKeyId, secretAccessKey }: S3Server): S3Client {
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
  t.after(() => client.destroy());
  return client;
}

function isRefusal(error: unknown): boolean {
  return error instanceof S3ServiceException && error.$metadata.httpStatusCode === 412;
}

async function keep(t: TestContext, shell: string, options: Partial<KeepAliveOptions> = {}) {
  const events: string[] = [];
  const kept = keepAlive({
    name: 'child',
    command: '/bin/sh',
    args: ['-c', shell],
    env: { GREETING: 'hello' },
    logFile: join(await newFolder(), 'log'),
    restartDelayMs: 10,
    onEvent: (event) => events.push(event.type === 'exited' ? `exited ${event.how}` : event.type),
    ...options,
  });
  t.after(() => kept.stop());
  return { kept, events };
}

function logOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}

async function numberIn(file: string): Promise<number | undefined> {
  const number = /^(\d+)\n/.exec(await logOf(file))?.[1];
  return number === undefined ? undefined : Number(number);
}

/** A machine of its own: an empty PATH, an empty cache. */
async function newPlace() {
  const folder = await newFolder();
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const { version } = await readPinnedServer('versitygw');
  const file = `versitygw-${version}-${process.platform}-${process.arch}`;
  return {
    env: { PATH: bin, XDG_CACHE_HOME: folder },
    bin,
    cached: join(folder, 'glee-pipeline/bin', file),
    builds: join(folder, 'builds'),
  };
}

/** A `go` that makes an executable out of nothing, and notes each time. */
function fakeGo({ bin, builds }: { bin: string; builds: string }, beforeBuild = ''): Promise<string> {
  const build = `${beforeBuild}
    while [ "$1" != -o ]; do shift; done
    echo '#!/bin/sh' > "$2"; /bin/chmod +x "$2"; echo built >> ${builds}`;
  return script(bin, 'go', `if [ "$1" = build ]; then ${build}\nfi`);
}

async function script(folder: string, name: string, body: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}
