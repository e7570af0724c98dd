import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { execa } from 'execa';
import { z } from 'zod';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { pickleOf, smallCheckpoint } from '../activities/torch-file/archives.ts';
import { look, resultOf, startTestStack, trainToTheEnd, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { rootCause } from '../../cli/shared/observe-run.ts';
import { startRun } from '../../cli/runs/start.ts';
import { CONTROL_TASK_QUEUE } from '../../contracts/ids.ts';

const SWIN = 'weights/swin_large_patch4_window12_384_22k.pth';

describe('weights that a run needs and the checkout lacks', () => {
  let stack: TestStack;
  let configs: string;
  let server: Server;
  let swin: Buffer;
  const requests: string[] = [];

  before(async () => {
    configs = await mkdtemp(join(tmpdir(), 'glee-configs-'));
    await cp(join(packageRoot, 'test/fixtures/configs'), configs, { recursive: true });
    await cp(
      join(packageRoot, 'configs/joint/custom-backbone.yaml'),
      join(configs, 'joint/custom-backbone.yaml'),
    );
    stack = await startTestStack({ env: { GLEE_CONFIG_DIR: configs } });
    const lost = join(stack.env.GLEE_CHECKOUT ?? '', SWIN);
    swin = await readFile(lost);
    await rm(lost);
    server = createServer((request, response) => {
      requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
      if (request.url !== '/swin.pth' && request.url !== '/endless.pth') return response.writeHead(404).end();
      response.writeHead(200, { 'content-length': swin.length, etag: '"v1"' });
      if (request.url === '/endless.pth' && request.method === 'GET') {
        trickle(response);
        return;
      }
      return request.method === 'HEAD' ? response.end() : response.end(swin);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await catalogue('swin.pth');
    await writeFile(
      join(configs, 'joint/plus.yaml'),
      'variant: Plus\ngang: { hosts: 2, gpusPerHost: 1 }\nstages: { stage1: }\n' +
        'overrides: { SOLVER: { MAX_ITER: 20, CHECKPOINT_PERIOD: 10, STEPS: [15] } }\n',
    );
  });
  after(async () => {
    await stack.stop();
    server.closeAllConnections();
    server.close();
    await rm(configs, { recursive: true, force: true });
  });

  function glee(...words: readonly (string | Readonly<Record<string, string>>)[]) {
    const args = words.filter((word) => typeof word === 'string');
    const more = words.filter((word) => typeof word === 'object');
    const program = join(packageRoot, 'dist/cli/glee.js');
    const env = { ...stack.env, NO_COLOR: '1', GLEE_CONFIG_DIR: configs, ...more[0] };
    return execa(process.execPath, [program, ...args], { env, reject: false, timeout: 60_000 });
  }

  async function catalogue(file: string): Promise<void> {
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const url = `http://127.0.0.1:${address.port}/${file}`;
    const sha256 = createHash('sha256').update(swin).digest('hex');
    const yaml = `artifacts:\n  swin-large: { path: ${SWIN}, download: '${url}', sha256: ${sha256} }\n`;
    await writeFile(join(configs, 'artifacts.yaml'), yaml);
  }

  it('are known not to be had within seconds, before a host is leased, and the run says which', async () => {
    await catalogue('gone.pth');
    await startRun(stack.client, 'gone', { config: 'joint/plus' });
    await assert.rejects(resultOf(stack, 'gone', 20_000), /SourceRefused: .*swin-large: .*gone\.pth.*404/s);
    await catalogue('swin.pth');
  });

  it('are drawn with name, phase and bytes while they are brought', async () => {
    await catalogue('endless.pth');
    await startRun(stack.client, 'endless', { config: 'joint/plus' });
    const bytes = async () => (await look(stack, 'endless'))?.weights[0]?.progress?.doneBytes ?? 0;
    await until('bytes to arrive', async () => (await bytes()) > 0);
    const { stdout } = await glee('status', 'endless');
    assert.match(
      stdout,
      /^ {2}swin-large {2}downloading {2}\d+ % {2}[\d.]+ k?B of [\d.]+ kB.*\n {2}stage1 {2}waiting/m,
    );
    assert.match(
      (await glee('weights', 'prune')).stdout,
      /^nothing to remove\n {2}kept {2}swin-large: it is being prepared\n/,
    );
    await stack.client.workflow.getHandle('endless').cancel();
    await assert.rejects(resultOf(stack, 'endless', 20_000), /CANCELLED/);
    const away = await glee('weights', 'prune', { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    assert.match(away.stderr, /Temporal cannot be reached at 127\.0\.0\.1:1/);
    const pruned = await glee('weights', 'prune', '--unused');
    assert.match(pruned.stdout, /^removed .*download record {2}artifacts\/swin-large\/download\.json$/ms);
    assert.match(pruned.stdout, /upload {2}artifacts\/swin-large\//);
    await catalogue('swin.pth');
  });

  it('are fetched once for two runs at the same time, and lie where GLEE looks on every host', async () => {
    requests.length = 0;
    await startRun(stack.client, 'plus-1', { config: 'joint/plus' });
    await startRun(stack.client, 'plus-2', { config: 'joint/plus' });
    const results = [await resultOf(stack, 'plus-1'), await resultOf(stack, 'plus-2')];
    const [one, two] = results.map(({ stages }) => stages[0]?.artifact.sha256);
    assert.equal(one, two);
    assert.equal(requests.filter((request) => request.startsWith('GET ')).length, 1);
    assert.deepEqual(await readFile(join(stack.env.GLEE_CHECKOUT ?? '', SWIN)), swin);
    const [ready] = (await look(stack, 'plus-1'))?.state?.weights ?? [];
    assert.ok(ready?.status === 'ready');
    assert.equal(ready.artifact.sha256, createHash('sha256').update(swin).digest('hex'));
    assert.equal(ready.artifact.proof, 'catalogue');
  });

  it('are listed with their hosts and runs, read again, and not fetched twice, by the command line', async () => {
    const listed = await glee('weights', 'list', '--json');
    const [artifact] = z
      .array(z.object({ name: z.string(), hosts: z.array(z.string()), runs: z.array(z.string()) }))
      .parse(JSON.parse(listed.stdout));
    const { hosts = [], ...rest } = artifact ?? {};
    assert.deepEqual(rest, { name: 'swin-large', runs: ['endless', 'gone', 'plus-1', 'plus-2'] });
    // Both have the one checkout here: the second finds the file in its place, and may need none in its cache.
    assert.ok(['gpu-1', 'gpu-2', 'gpu-1,gpu-2'].includes(hosts.join()), hosts.join());
    requests.length = 0;
    assert.match(
      (await glee('weights', 'fetch', 'swin-large')).stdout,
      /^swin-large was there: s3:\/\/glee\/artifacts/,
    );
    assert.deepEqual(requests, []);
    assert.match((await glee('weights', 'fetch', 'swin-larg')).stderr, /did you mean 'swin-large'\?/);
    const entry = `none: { path: weights/none.pth, download: 'file://${configs}/none.pth' }`;
    await appendFile(join(configs, 'artifacts.yaml'), `  ${entry}\n`);
    const failed = await glee('weights', 'fetch', 'none');
    assert.equal(failed.exitCode, 1);
    assert.match(failed.stderr, /SourceRefused: .*none: file:\/\/.*none\.pth cannot be read.*no such file/);
    const evil = smallCheckpoint(pickleOf('X\x04\0\0\0evilcmodule\nfunction\n)R'));
    await writeFile(join(configs, 'evil.pth'), evil);
    const evilSha = createHash('sha256').update(evil).digest('hex');
    const source = `path: weights/evil.pth, download: 'file://${configs}/evil.pth', sha256: ${evilSha}`;
    await appendFile(
      join(configs, 'artifacts.yaml'),
      `  evil: { ${source} }\n  vouched: { ${source}, trusted: true }\n`,
    );
    assert.match(
      (await glee('weights', 'fetch', 'evil')).stderr,
      /WrongWeights: 'evil' is not given to torch\.load: .*names module\.function.*trusted: true/,
    );
    assert.match((await glee('weights', 'fetch', 'vouched')).stdout, /^vouched is there now/);
    assert.match(
      (await glee('weights', 'verify', 'swin-large')).stdout,
      /^ok {4}swin-large {2}sha256 [0-9a-f]{64}$/,
    );
  });

  it('come from no file of the worker that no one has offered, nor from an address with a secret', async () => {
    const prepare = (workflow: string, name: string, source: string) => {
      const artifact = { name, path: `weights/${name}.pth`, recipe: { how: 'download', sources: [source] } };
      const input =
        workflow === 'prepareArtifact' ? { artifact, ingredients: [] } : { artifacts: [artifact] };
      const workflowId = `${workflow}-${name}`;
      const options = { workflowId, taskQueue: CONTROL_TASK_QUEUE, args: [input] as const };
      return stack.client.workflow.execute<(input: unknown) => Promise<unknown>>(workflow, options);
    };
    const failsWith = (message: RegExp) => (error: Error) => {
      assert.match(rootCause(error), message);
      return true;
    };
    for (const workflow of ['prepareArtifact', 'prepareWeights']) {
      const shadow = prepare(workflow, 'shadow', 'file:///etc/shadow');
      await assert.rejects(shadow, failsWith(/SourceRefused: .*\/etc\/shadow lies outside the folders/));
      const secret = prepare(workflow, 'secret', 'https://user:hunter2@example.com/x.pth');
      await assert.rejects(secret, failsWith(/^InvalidConfig: artifact 'secret'.*change the credential/));
    }
    const client = new S3Client({ forcePathStyle: true, ...s3Options(stack) });
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'glee' }));
    client.destroy();
    assert.deepEqual(
      Contents.filter(({ Key = '' }) => /shadow|secret/.test(Key)),
      [],
    );
  });

  it('that someone has damaged in S3 are found by reading them again', async () => {
    const client = new S3Client({ forcePathStyle: true, ...s3Options(stack) });
    const { Contents = [] } = await client.send(
      new ListObjectsV2Command({ Bucket: 'glee', Prefix: 'artifacts/swin-large/' }),
    );
    const [object] = Contents;
    const damaged = Buffer.from(swin);
    damaged[9] = (damaged[9] ?? 0) ^ 1;
    await client.send(new PutObjectCommand({ Bucket: 'glee', Key: object?.Key, Body: damaged }));
    const verified = await glee('weights', 'verify', 'swin-large');
    assert.equal(verified.exitCode, 1);
    assert.match(verified.stdout, /^FAIL {2}swin-large: expected sha256 [0-9a-f]{64}, S3 has sha256/);
    await client.send(new PutObjectCommand({ Bucket: 'glee', Key: object?.Key, Body: swin }));
    client.destroy();
  });

  it('are merged for a novel backbone as the shipped config says, and matched in part', async () => {
    const { stages } = await trainToTheEnd(stack, 'custom', 'joint/custom-backbone');
    assert.equal(stages[0]?.artifact.iterations, 60);
    const weights = (await look(stack, 'custom'))?.state?.weights ?? [];
    assert.deepEqual(
      weights.map((entry) => [entry.name, entry.status === 'ready' && entry.artifact.proof]),
      [
        ['glee-lite-joint', 'pinned'],
        ['eva02-large-converted', 'pinned'],
        ['custom-backbone-start', 'made'],
      ],
    );
  });
});

/** A server that never comes to an end, but is there. */
function trickle(response: ServerResponse): void {
  const drops = setInterval(() => response.write('a few bytes'), 100);
  response.on('close', () => clearInterval(drops));
}

function s3Options({ s3 }: TestStack) {
  const { accessKeyId, secretAccessKey } = s3;
  return { endpoint: s3.endpoint, region: s3.region, credentials: { accessKeyId, secretAccessKey } };
}
