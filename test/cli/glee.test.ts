import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { z } from 'zod';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { CONTROL_TASK_QUEUE } from '../../contracts/ids.ts';
import { untilWorkersAreUp } from '../../sandbox/workers-up.ts';
import { startTestStack, untilIteration, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

describe('the command glee', () => {
  let stack: TestStack;
  let configs: string;

  before(async () => {
    configs = await mkdtemp(join(tmpdir(), 'glee-configs-'));
    await cp(join(packageRoot, 'test/fixtures/configs'), configs, { recursive: true });
    stack = await startTestStack({ env: { GLEE_CONFIG_DIR: configs } });
    await untilWorkersAreUp(stack, () => 0, AbortSignal.timeout(120_000));
  });
  after(async () => {
    await stack.stop();
    await rm(configs, { recursive: true, force: true });
  });

  function glee(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const program = join(packageRoot, 'dist/cli/glee.js');
    // CI=true, as most CI services set it, would have colours in what is piped.
    const environment = { ...stack.env, NO_COLOR: '1', GLEE_CONFIG_DIR: configs, ...env };
    return execa(process.execPath, [program, ...args], { env: environment, reject: false, timeout: 60_000 });
  }

  async function writeConfig(name: string, yaml: string): Promise<void> {
    await writeFile(join(configs, 'joint', `${name}.yaml`), yaml);
  }

  it('teaches with --help, for itself and each command', async () => {
    const { stdout } = await glee(['--help']);
    for (const command of ['start', 'status', 'list', 'plan', 'cancel', 'doctor']) {
      assert.match(stdout, new RegExp(`^ {2}${command}\\b`, 'm'));
      assert.match((await glee([command, '--help'])).stdout, /Example/);
    }
  });

  it('finds everything in order on the embedded default', async () => {
    const { stdout, exitCode } = await glee(['doctor', '--json']);
    const findings = z.array(z.object({ check: z.string(), ok: z.boolean() })).parse(JSON.parse(stdout));
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
    assert.equal(exitCode, 0);
  });

  it('asks no proxy for Temporal and S3 on this machine', async () => {
    const away = 'http://127.0.0.1:9';
    const proxies = {
      http_proxy: away,
      HTTP_PROXY: away,
      https_proxy: away,
      all_proxy: away,
      grpc_proxy: away,
    };
    const { stdout, stderr, exitCode } = await glee(['doctor'], { ...proxies, no_proxy: '', NO_PROXY: '' });
    assert.equal(exitCode, 0, stdout + stderr);
  });

  it('names what an id stands for where it is no run', async () => {
    await stack.client.workflow.start('fineTuneSweep', {
      ...{ workflowId: 'is-a-sweep', taskQueue: CONTROL_TASK_QUEUE, args: [{ config: 'sweeps/broken' }] },
    });
    for (const [args, expected] of [
      [['status', 'is-a-sweep'], /'is-a-sweep' is a sweep, .*'glee sweep status is-a-sweep' shows it/],
      [['pause', 'is-a-sweep', '--why', 'x'], /'is-a-sweep' is a sweep, /],
      [['status', 'pool/default'], /is a pool, .*'glee pool show default'/],
      [['cancel', 'pool/default'], /is a pool, /],
      [['cancel', 'never'], /there is no run 'never'/],
    ] as const) {
      const { stderr, exitCode } = await glee(args);
      assert.deepEqual([exitCode, stderr.split('\n').length], [1, 1], stderr);
      assert.match(stderr, expected);
    }
    const { stdout, exitCode } = await glee(['sweep', 'status', 'is-a-sweep']);
    assert.equal(exitCode, 1);
    assert.match(stdout, /failed.*\n {2}InvalidConfig: .*broken\.yaml/);
  });

  it('says of each thing that is missing what to do about it', async () => {
    const { stdout, exitCode } = await glee(['doctor'], {
      GLEE_BUCKET: 'no-such-bucket',
      GLEE_CHECKOUT: '/nowhere',
      GLEE_PYTHON: 'no-such-python',
      TEMPORAL_ADDRESS: '127.0.0.1:1',
    });
    assert.equal(exitCode, 1);
    assert.match(
      stdout,
      /FAIL {2}S3 bucket 'no-such-bucket': could not look at the bucket: there is no such bucket/,
    );
    assert.match(stdout, /FAIL {2}GLEE checkout: \/nowhere has no launch.py/);
    assert.match(stdout, /FAIL {2}Python: .*no-such-python/);
    assert.match(stdout, /FAIL {2}Temporal: Temporal cannot be reached at 127.0.0.1:1/);
    assert.equal(stdout.match(/→/g)?.length, 4);
  });

  it('names wrong credentials for what they are', async () => {
    const { stdout } = await glee(['doctor'], { AWS_SECRET_ACCESS_KEY: 'wrong' });
    assert.match(stdout, /FAIL {2}S3 bucket 'glee': could not look at the bucket: .*(403|denied|Signature)/i);
  });

  it('starts a run, shows it, lists it, and cancels it with nothing left running', async () => {
    const started = await glee(['start', 'joint/long', '--run', 'cli-run']);
    assert.equal(started.exitCode, 0, started.stderr);
    assert.match(started.stdout, /cli-run {2}joint\/long {2}GLEE-Lite {2}running/);
    const { pid } = await untilIteration(stack, 'cli-run', 'stage1', 10);
    assert.ok(pid !== undefined);
    assert.match(
      (await glee(['status', 'cli-run'])).stdout,
      /iteration \d+\/30000 .*loss .*lr .*s\/iter .*ETA/,
    );
    assert.match((await glee(['list'])).stdout, /cli-run.*running/);
    const taken = await glee(['start', 'joint/long', '--run', 'cli-run']);
    assert.equal(taken.exitCode, 1);
    assert.match(taken.stderr, /run 'cli-run' is running already/);
    const cancelled = await glee(['cancel', 'cli-run']);
    assert.match(cancelled.stdout, /cancelled; its checkpoints stay in S3/);
    await until('the trainer to be gone', () => !isAlive(pid));
  });

  it('watches a run to its end and answers with its result as JSON', async () => {
    await writeConfig(
      'tiny',
      'variant: Lite\ngang: { hosts: 1, gpusPerHost: 1 }\noverrides: { SOLVER: { MAX_ITER: 20, CHECKPOINT_PERIOD: 10, STEPS: [15] } }\nstages: { stage1: }\n',
    );
    await glee(['start', 'joint/tiny', '--run', 'tiny-1']);
    const { stdout, exitCode } = await glee(['status', 'tiny-1', '--watch', '--json']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /"status": "COMPLETED"/);
    const again = await glee(['start', 'joint/tiny', '--run', 'tiny-1']);
    assert.match(again.stdout, /done earlier|running/);
  });

  const bad: readonly (readonly [string, string, string, RegExp])[] = [
    [
      'an unknown config',
      'joint/lte',
      '',
      /no config 'joint\/lte'.*did you mean|joint\/lte.*joint\/(short|tiny)/s,
    ],
    [
      'an unknown variant',
      'joint/bad',
      'variant: Lit\ngang: { hosts: 1, gpusPerHost: 1 }\nstages: { stage1: }\n',
      /bad\.yaml:1: variant: .*Lite/,
    ],
    [
      'a misspelt key',
      'joint/bad',
      'variant: Lite\ngnag: { hosts: 1, gpusPerHost: 1 }\nstages: { stage1: }\n',
      /gnag.*did you mean 'gang'/,
    ],
    [
      'a config file that is not in the checkout',
      'joint/bad',
      'variant: Lite\ngang: { hosts: 1, gpusPerHost: 1 }\nstages: { stage1: { config: projects/GLEE/configs/nope.yaml } }\n',
      /nope\.yaml' is not in the GLEE checkout/,
    ],
    [
      'an indivisible batch',
      'joint/bad',
      'variant: Lite\ngang: { hosts: 1, gpusPerHost: 3 }\nstages: { stage1: }\n',
      /IMS_PER_BATCH/,
    ],
  ];
  for (const [what, config, yaml, message] of bad) {
    it(`refuses ${what} at once, before any GPU time, both at plan and at start`, async () => {
      if (yaml !== '') await writeConfig('bad', yaml);
      const run = `bad-${what.replaceAll(/\W+/g, '-')}`;
      const planned = await glee(['plan', config]);
      assert.equal(planned.exitCode, 1);
      assert.match(planned.stdout + planned.stderr, message);
      const started = await glee(['start', config, '--run', run]);
      assert.equal(started.exitCode, 1);
      assert.match(started.stdout, message);
      const { status } = await stack.client.workflow.getHandle(run).describe();
      assert.equal(status.name, 'FAILED');
    });
  }

  it('refuses a run id that S3 or Temporal could not take', async () => {
    for (const run of ['a/b', 'a b', '../x', '', 'ü', 'a'.repeat(64)]) {
      const { stderr, exitCode } = await glee(['start', 'joint/short', '--run', run]);
      assert.equal(exitCode, 1, run);
      assert.match(stderr, /must be 1 to 63 letters/);
    }
  });

  it('says where it looked for Temporal when that is out of reach', async () => {
    const { stderr, exitCode } = await glee(['list'], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    assert.equal(exitCode, 1);
    assert.match(stderr, /Temporal cannot be reached at 127.0.0.1:1.*TEMPORAL_ADDRESS/s);
  });

  it('names the variable when there is no checkout', async () => {
    const { stdout, exitCode } = await glee(['plan', 'joint/short'], { GLEE_CHECKOUT: '/no/such/folder' });
    assert.equal(exitCode, 1);
    assert.match(stdout, /GLEE_CHECKOUT/);
  });

  it('says that there is no such run', async () => {
    const { stderr, exitCode } = await glee(['status', 'never-begun']);
    assert.equal(exitCode, 1);
    assert.match(stderr, /there is no run 'never-begun'/);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
