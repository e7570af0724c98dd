import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { execa } from 'execa';
import { z } from 'zod';
import { openBucket, type Bucket } from '../../activities/storage/bucket.ts';
import { sha256OfFile } from '../../activities/files/atomic-files.ts';
import { checkpointSchema } from '../../activities/storage/schemas.ts';
import { startRun } from '../../cli/runs/start.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import {
  look,
  resultOf,
  startTestStack,
  trainToTheEnd,
  untilIteration,
  type TestStack,
} from '../support/stack.ts';
import { until } from '../support/until.ts';

const forever = new AbortController().signal;
const listSchema = z.array(z.intersection(checkpointSchema, z.object({ marks: z.array(z.string()) })));

describe('the checkpoints of runs, by the command line', () => {
  let stack: TestStack;
  let configs: string;
  let bucket: Bucket;
  let client: S3Client;
  let expected: string | undefined;

  before(async () => {
    configs = await mkdtemp(join(tmpdir(), 'glee-configs-'));
    await cp(join(packageRoot, 'test/fixtures/configs'), configs, { recursive: true });
    const short = await readFile(join(configs, 'joint/short.yaml'), 'utf8');
    await writeFile(join(configs, 'joint/kept.yaml'), `${short}retention: { newest: 2, every: 100 }\n`);
    await writeFile(join(configs, 'joint/clock.yaml'), `${short}checkpointPeriod: 2s\n`);
    stack = await startTestStack({ env: { GLEE_CONFIG_DIR: configs } });
    const { accessKeyId, secretAccessKey, endpoint, region } = stack.s3;
    const credentials = { accessKeyId, secretAccessKey };
    client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    bucket = openBucket(client, stack.s3.bucket, '');
    const undisturbed = await trainToTheEnd(stack, 'undisturbed', 'joint/short');
    expected = undisturbed.stages[0]?.artifact.sha256;
  });
  after(async () => {
    client.destroy();
    await stack.stop();
    await rm(configs, { recursive: true, force: true });
  });

  function glee(...args: readonly string[]) {
    const env = { ...stack.env, NO_COLOR: '1', GLEE_CONFIG_DIR: configs };
    const program = join(packageRoot, 'dist/cli/glee.js');
    return execa(process.execPath, [program, ...args], { env, reject: false, timeout: 60_000 });
  }

  async function listed(of: string) {
    const { stdout, stderr } = await glee('checkpoints', 'list', of, '--json');
    assert.equal(stderr, '');
    return listSchema.parse(JSON.parse(stdout));
  }

  /** A run that someone has stopped in the middle, and hosts that have lost what they had of it. */
  async function stopped(run: string): Promise<Awaited<ReturnType<typeof listed>>> {
    await stack.gate.closeAt(100);
    await startRun(stack.client, run, { config: 'joint/short' });
    await untilIteration(stack, run, 'stage1', 90);
    await stack.client.workflow.getHandle(run).cancel();
    await stack.gate.open();
    await until('the run to be cancelled', async () => (await look(stack, run))?.status === 'CANCELLED');
    for (const { scratch } of stack.hosts)
      await rm(join(scratch, 'jobs', run), { recursive: true, force: true });
    return listed(run);
  }

  /** Continues with the run, which must end as if nothing had happened. @returns Its events. */
  async function endsRight(run: string): Promise<readonly string[]> {
    await startRun(stack.client, run, { config: 'joint/short' });
    const { stages } = await resultOf(stack, run);
    assert.equal(stages[0]?.artifact.sha256, expected);
    return (await look(stack, run))?.stage?.state?.events.map(({ text }) => text) ?? [];
  }

  it('lets a run whose newest checkpoint was damaged in S3 continue from the one before, with the same bytes', async () => {
    const newest = (await stopped('flipped')).at(-1);
    assert.ok(newest !== undefined);
    const object = { Bucket: stack.s3.bucket, Key: newest.file.key };
    const bytes = await (await client.send(new GetObjectCommand(object))).Body?.transformToByteArray();
    assert.ok(bytes !== undefined);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await client.send(new PutObjectCommand({ ...object, Body: bytes }));
    const verified = await glee('checkpoints', 'verify', 'flipped');
    assert.equal(verified.exitCode, 1);
    assert.match(verified.stdout, new RegExp(`FAIL {2}flipped/stage1@${newest.iterations}: expected`));
    const events = await endsRight('flipped');
    assert.match(events.join('\n'), /DamagedCheckpoint: .* is not what was committed/);
    assert.match(events.join('\n'), /the checkpoint of iteration \d+ is damaged or gone: runs\/flipped/);
  });

  it('lets a run whose newest checkpoint is gone from S3 continue from the one before, with the same bytes', async () => {
    const newest = (await stopped('gone')).at(-1);
    assert.ok(newest !== undefined);
    await bucket.objects.remove(newest.file.key, forever);
    const events = await endsRight('gone');
    assert.match(events.join('\n'), /the checkpoint of iteration \d+ is damaged or gone: runs\/gone/);
  });

  it('keeps what the plan says, and shows what each cost', async () => {
    await trainToTheEnd(stack, 'kept', 'joint/kept');
    const kept = await listed('kept');
    assert.deepEqual(
      kept.map(({ iterations, final }) => (final ? 'final' : iterations)),
      [100, 200, 300, 'final'],
    );
    assert.ok(kept.every(({ times }) => times?.stall !== undefined && times.upload !== undefined));
    const { stdout } = await glee('checkpoints', 'show', 'kept/stage1@200');
    assert.match(stdout, /^kept\/stage1@200\n {2}file +s3:\/\/glee\/runs\/kept\/stage1\/attempts\//);
    assert.match(stdout, /stall +[\d.]+ s\n {2}save +[\d.]+ s\n {2}upload +[\d.]+ s\n {2}commit +[\d.]+ s/);
    assert.match((await glee('checkpoints', 'list')).stdout, /kept\/stage1@final .*newest, final/);
  });

  it('brings one to a file, takes one from a file, and lets a stage begin from it', async () => {
    const folder = await mkdtemp(join(configs, 'files-'));
    const file = join(folder, 'mine.pth');
    const pulled = await glee('checkpoints', 'pull', 'undisturbed/stage1@final', file);
    assert.equal(pulled.exitCode, 0, pulled.stderr);
    assert.equal(await sha256OfFile(file), expected);
    assert.deepEqual(await readdir(folder), ['mine.pth']);
    const pushed = await glee('checkpoints', 'push', file, 'by-hand/stage1@1');
    assert.match(pushed.stdout, /weights: \{ from: by-hand\/stage1@1 \}/, pushed.stderr);
    assert.match((await glee('checkpoints', 'push', file, 'by-hand/stage1@1')).stderr, /S3 has .* already/);
    assert.equal((await listed('by-hand'))[0]?.file.sha256, expected);
    await writeFile(file, 'no torch file');
    assert.equal((await glee('checkpoints', 'push', file, 'by-hand/stage1@2')).exitCode, 1);

    const short = await readFile(join(configs, 'joint/short.yaml'), 'utf8');
    const begin = (from: string) =>
      writeFile(
        join(configs, 'joint/begun.yaml'),
        short.replace('  stage1:', `  stage1: { weights: { from: ${from} } }`),
      );
    await begin('by-hand/stage1@7');
    const missing = await glee('plan', 'joint/begun');
    assert.match(missing.stdout, /stages\.stage1\.weights\.from: S3 has no checkpoint by-hand\/stage1@7/);
    await begin('by-hand/stage1');
    assert.match(
      (await glee('plan', 'joint/begun')).stdout,
      /names no checkpoint: write run\/stage@iterations/,
    );
    await begin('by-hand/stage1@1');
    await trainToTheEnd(stack, 'begun', 'joint/begun');
    assert.deepEqual((await listed('by-hand'))[0]?.marks, ['pinned', 'start of begun']);
  });

  it('prunes what is not kept, after it has said so, and never what is pinned', async () => {
    const before = await listed('undisturbed');
    const [oldest] = before;
    assert.ok(oldest !== undefined);
    const ref = `undisturbed/stage1@${oldest.iterations}`;
    assert.match((await glee('checkpoints', 'pin', ref)).stdout, /stays until it is unpinned/);
    const garbage = oldest.file.key.replace(/\/\d+\/model_\d+/, '/1/model_0000002');
    await bucket.store.writeText(garbage, 'left by a crash');
    const prune = ['checkpoints', 'prune', 'undisturbed', '--keep', '2'];
    const dry = await glee(...prune, '--dry-run');
    assert.match(dry.stdout, /^undisturbed\/stage1: would remove [\d.]+ k?M?B\n/, dry.stderr);
    assert.match(dry.stdout, new RegExp(`${garbage} {2}left by a crash`));
    assert.deepEqual(await listed('undisturbed'), (await listed('undisturbed')).slice(0, before.length));
    await glee(...prune);
    const left = await listed('undisturbed');
    assert.ok(left.some(({ iterations }) => iterations === oldest.iterations));
    assert.equal(await bucket.objects.find(garbage, forever), undefined);
    await glee('checkpoints', 'unpin', ref);
    await glee(...prune);
    assert.ok((await listed('undisturbed')).every(({ iterations }) => iterations !== oldest.iterations));
    assert.match((await glee(...prune)).stdout, /^nothing to remove$/);
  });

  it('saves by the clock where the plan does, and says how often would lose least', async () => {
    await startRun(stack.client, 'clock', { config: 'joint/clock' });
    const snapshot = await until('the period to be known', async () => {
      const found = await look(stack, 'clock');
      return found?.stage?.hosts[0]?.bestSaveSeconds === undefined ? undefined : found;
    });
    assert.equal(snapshot.stage?.hosts[0]?.saveSeconds, 2);
    assert.match((await glee('status', 'clock')).stdout, /saves every 2 s {2}\(every .* would lose least\)/);
    const { stages } = await resultOf(stack, 'clock');
    assert.equal(stages[0]?.artifact.sha256, expected, 'saving changes nothing that is learned');
  });

  it('leaves curves, logs and the config in S3', async () => {
    const all = await bucket.objects.listAll('runs/undisturbed/stage1/attempts/', forever);
    const output = all.flatMap(({ name }) => name.split('/output/')[1] ?? []);
    for (const name of ['metrics.json', 'log.txt', 'config.yaml'])
      assert.ok(output.includes(name), `${name} is not among ${output.join(', ')}`);
  });

  it('says what is wrong with a name', async () => {
    for (const [args, message] of [
      [['show', 'nonsense'], /'nonsense' names no checkpoint: write run\/stage@iterations/],
      [
        ['show', 'undisturbed/stage1@7'],
        /S3 has no checkpoint undisturbed\/stage1@7: 'glee checkpoints list/,
      ],
      [['list', 'no-such-run'], /S3 has no checkpoints of 'no-such-run'/],
      [['list', '../etc'], /is not a run id/],
      [['prune', 'kept', '--keep', 'x'], /must be a whole number/],
      [['push', '/nowhere.pth', 'a/stage1'], /say how many iterations/],
      [['push', '/nowhere.pth', 'a/stage1@1'], /nowhere\.pth: there is no such file/],
    ] as const) {
      const { stderr, exitCode } = await glee('checkpoints', ...args);
      assert.match(stderr, message);
      assert.equal(exitCode, 1);
    }
  });
});
