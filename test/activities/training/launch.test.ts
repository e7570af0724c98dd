import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { execa } from 'execa';
import type { Checkpoint } from '../../../contracts/checkpoints.ts';
import type { Gang } from '../../../contracts/plan.ts';
import type { TrainRankInput } from '../../../contracts/training.ts';
import { shellWord, trainerArguments } from '../../../activities/training/launch.ts';
import { packageRoot } from '../../../configs/package-root.ts';

const companion = join(packageRoot, 'trainer/companion.py');
const sum = 'a'.repeat(64);
const checkpoint: Checkpoint = {
  run: 'run',
  stage: 'stage1',
  token: 1,
  name: 'model_0000009.pth',
  iterations: 10,
  final: false,
  file: { key: 'k', sha256: sum, sizeBytes: 1 },
  savedAt: 1,
};

describe('trainerArguments', () => {
  it("starts the ranks of several hosts with GLEE's launcher, and names where they meet", () => {
    assert.deepEqual(trainerArguments(input({ hosts: 8, gpusPerHost: 8 }), '/jobs/1/config.yaml'), [
      ...['launch.py', '--launch', companion],
      ...['--nn', '8', '--np', '8', '--port', '29511', '--worker_rank', '3', '--master_address', '10.0.0.1'],
      ...['--config-file', '/jobs/1/config.yaml'],
    ]);
  });

  it('needs no launcher on one host, and a port of its own all the same', () => {
    assert.deepEqual(trainerArguments(input({ hosts: 1, gpusPerHost: 4 }), '/jobs/1/config.yaml'), [
      companion,
      ...['--num-gpus', '4', '--dist-url', 'tcp://127.0.0.1:29511'],
      ...['--config-file', '/jobs/1/config.yaml'],
    ]);
  });

  it('resumes only from a checkpoint that there is', () => {
    for (const hosts of [1, 2]) {
      const gang = { hosts, gpusPerHost: 1 };
      assert.ok(!trainerArguments(input(gang), 'c.yaml').includes('--resume'));
      assert.equal(trainerArguments({ ...input(gang), resumeFrom: checkpoint }, 'c.yaml').at(-1), '--resume');
    }
  });

  it('leaves every setting to the file: the launcher would give them to a shell', () => {
    const args = trainerArguments(input({ hosts: 2, gpusPerHost: 1 }), 'c.yaml').join(' ');
    assert.doesNotMatch(args, /SOLVER|[()"'$;]/);
  });
});

describe('shellWord', () => {
  it("brings any path whole through launch.py's shell, and leaves a plain one as it is", async () => {
    const path = "/home/o'neil/my work/$HOME;ls/companion.py";
    const { stdout } = await execa('sh', ['-c', `printf %s ${shellWord(path)}`]);
    assert.equal(stdout, path);
    assert.equal(shellWord('/srv/glee/companion.py'), '/srv/glee/companion.py');
  });
});

function input(gang: Gang): TrainRankInput {
  const weights = { kind: 'checkout', path: 'w.pth', sha256: sum, sizeBytes: 1 } as const;
  const limits = { heartbeatTimeoutMs: 1, hostTimeoutMs: 1, stallTimeoutMs: 1, attemptsWithoutProgress: 1 };
  return {
    run: 'run',
    plan: {
      stage: 'stage1',
      configFile: 'x.yaml',
      weights,
      overrides: { SOLVER: { STEPS: '(1, 2); rm -rf $HOME' } },
      settingsSha256: sum,
      gang,
      pool: 'default',
      maxIterations: 30,
      checkpointPeriod: 10,
      limits,
    },
    attempt: 1,
    token: 1,
    machineRank: 3,
    masterAddress: '10.0.0.1',
    port: 29_511,
    weights,
    resumeFrom: null,
  };
}
