import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { z } from 'zod';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { startRun } from '../../cli/runs/start.ts';
import {
  startGpuWorker,
  stopGpuWorkers,
  untilHeld,
  viewHost,
  type GpuWorker,
} from '../support/gpu-worker.ts';
import { look, resultOf, startTestStack, untilIteration, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const FAULTY = join(packageRoot, 'test/fixtures/trainers/loses-its-gpu.sh');

describe('what a person asks of the pool on the command line', () => {
  let stack: TestStack;
  let configs: string;
  const workers: GpuWorker[] = [];
  before(async () => {
    configs = await mkdtemp(join(tmpdir(), 'glee-configs-'));
    await cp(join(packageRoot, 'test/fixtures/configs'), configs, { recursive: true });
    await mkdir(join(configs, 'pools'));
    await writeFile(join(configs, 'pools/default.yaml'), 'strikes: many\n');
    stack = await startTestStack({ hosts: 0, env: { GLEE_CONFIG_DIR: configs } });
  });
  after(async () => {
    await stopGpuWorkers(stack, workers);
    await stack.stop();
    await rm(configs, { recursive: true, force: true });
  });

  async function glee(...args: string[]) {
    const program = join(packageRoot, 'dist/cli/glee.js');
    const env = { ...stack.env, NO_COLOR: '1' };
    return execa(process.execPath, [program, ...args], { env, reject: false, timeout: 60_000 });
  }

  async function start(host: string, more: Readonly<Record<string, string>> = {}): Promise<GpuWorker> {
    const worker = await startGpuWorker(stack, host, more);
    workers.push(worker);
    return worker;
  }

  /** The table in one line: words are wrapped in it. */
  async function shown(): Promise<string> {
    return (await glee('pool', 'show')).stdout.replace(/[\s│]+/g, ' ');
  }

  it('is refused where it makes no sense, with what would', async () => {
    assert.match(
      (await glee('pool', 'show')).stderr,
      /there is no pool 'default': it begins when a host joins/,
    );
    await start('gpu-1', { GLEE_PYTHON: FAULTY });
    const wrong: readonly [args: readonly string[], message: RegExp][] = [
      [['cordon', 'gpu-1'], /--why/],
      [['cordon', 'gpu-1', '--why', ' '], /refused: say why/],
      [['drain', 'gup-1', '--why', 'x'], /refused: the pool has no host 'gup-1'; the nearest are gpu-1/],
      [['uncordon', 'gpu-1', '--why', 'x'], /refused: gpu-1 is neither cordoned nor drained/],
      [['clear', 'gpu-1', '--why', 'x'], /refused: gpu-1 is not quarantined/],
      [['clear', 'gpu-1', '--why', 'x', '--pool', 'other'], /there is no pool 'other'/],
      [['reload'], /refused: .*pools\/default\.yaml:1: strikes: /],
    ];
    for (const [args, message] of wrong) {
      const { stderr, exitCode } = await glee('pool', ...args);
      assert.equal(exitCode, 1, args.join(' '));
      assert.match(stderr, message);
    }
  });

  it('has the pool go by its file once that is mended, and says until then what is wrong with it', async () => {
    assert.match(await shown(), /its file is invalid.*pools\/default\.yaml:1: strikes: /);
    await writeFile(join(configs, 'pools/default.yaml'), 'strikes: 2\nquotas: { vision: 8 }\n');
    const { stdout } = await glee('pool', 'reload');
    assert.match(stdout, /strikes 2/);
    assert.match(stdout, /quotas: vision 8/);
    assert.doesNotMatch(await shown(), /file is invalid/);
  });

  it('shows a host whose GPU has failed, beyond the life of the run, which continues elsewhere, until it is cleared', async () => {
    await startRun(stack.client, 'unlucky', { config: 'joint/rare-saves-1' });
    await until('quarantine', async () => (await viewHost(stack, 'gpu-1')).quarantined);
    await until('the run to wait', async () => (await shown()).includes('unlucky/stage1 1 × 2 GPUs'));
    assert.match(await shown(), /no host has 2 GPUs \(gpu-1 is quarantined\)/);
    await start('gpu-2');
    const [stage] = (await resultOf(stack, 'unlucky')).stages;
    assert.equal(stage?.attempts, 2);
    const why = /gpu-1 2 of 2 \(pretended\) quarantined: .*uncorrectable ECC error.*\(unlucky\/stage1\)/;
    assert.match(await shown(), why);
    const refused = await glee('pool', 'uncordon', 'gpu-1', '--why', 'x');
    assert.match(refused.stderr, /it is quarantined, which 'clear' ends: .*ECC/);
    // Nor does a new worker end it.
    workers[0]?.kill('SIGKILL');
    await start('gpu-1');
    assert.match(await shown(), why);
    const cleared = await glee('pool', 'clear', 'gpu-1', '--why', 'GPU 0 was replaced');
    assert.equal(cleared.stdout, 'gpu-1: ready; no one holds it');
  });

  it('gives a cordoned host no new work, and frees one that is drained, which stays so until it is uncordoned', async () => {
    for (const host of ['gpu-1', 'gpu-2']) await glee('pool', 'cordon', host, '--why', 'fans');
    await startRun(stack.client, 'patient', { config: 'joint/rare-saves-1' });
    await until('the run to wait', async () =>
      (await shown()).includes('gpu-1 is cordoned, gpu-2 is cordoned'),
    );
    assert.match(await shown(), /gpu-2 2 of 2 \(pretended\) cordoned by \S+: fans/);
    const given = await glee('pool', 'uncordon', 'gpu-2', '--why', 'they are quiet', '--json');
    assert.equal(z.looseObject({ usable: z.boolean() }).parse(JSON.parse(given.stdout)).usable, true);
    await untilIteration(stack, 'patient', 'stage1', 30);
    assert.deepEqual(await untilHeld(stack, 'patient', 1), ['gpu-2']);

    await glee('pool', 'uncordon', 'gpu-1', '--why', 'too');
    const drained = await glee('pool', 'drain', 'gpu-2', '--why', 'new NIC');
    assert.match(drained.stdout, /gpu-2: drained by \S+: new NIC; held by patient\/stage1/);
    const worker = workers.findLast(({ host }) => host === 'gpu-2');
    assert.equal(await worker?.ended, 0);
    assert.deepEqual(await untilHeld(stack, 'patient', 1), ['gpu-1']);
    await start('gpu-2');
    await until('it to be there', async () =>
      /gpu-2 2 of 2 \(pretended\) drained by \S+: new NIC/.test(await shown()),
    );
    const [stage] = (await resultOf(stack, 'patient')).stages;
    assert.deepEqual([stage?.attempts, stage?.iterationsRun], [2, 300]);
    const events = (await look(stack, 'patient'))?.stage?.state?.events ?? [];
    assert.ok(events.some(({ text }) => text.endsWith('gpu-2 is drained: new NIC')));
    const again = await glee('pool', 'uncordon', 'gpu-2', '--why', 'it is in');
    assert.equal(again.stdout, 'gpu-2: ready; no one holds it');
  });
});
