import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Checkpoint } from '../../../contracts/checkpoints.ts';
import type { Gang } from '../../../contracts/plan.ts';
import type { TrainRankInput } from '../../../contracts/training.ts';
import { trainerArguments } from '../../../activities/training/launch.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';

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
  it("gives train_net.py what GLEE's launcher would, and names where the ranks of several hosts meet", () => {
    assert.deepEqual(trainerArguments(input({ hosts: 8, gpusPerHost: 8 }), '/jobs/1/config.yaml'), [
      ...[companion, '--num-gpus', '8', '--num-machines', '8', '--machine-rank', '3'],
      ...['--dist-url', 'tcp://10.0.0.1:29511', '--config-file', '/jobs/1/config.yaml'],
    ]);
  });

  it('writes an IPv6 address as URLs have it', () => {
    const gang = input({ hosts: 2, gpusPerHost: 1 });
    assert.ok(
      trainerArguments({ ...gang, masterAddress: 'fd00::1' }, 'c.yaml').includes('tcp://[fd00::1]:29511'),
    );
  });

  it('takes no address or port that is none: whoever may signal the pool would choose it', () => {
    const gang = input({ hosts: 2, gpusPerHost: 1 });
    for (const masterAddress of ['127.0.0.1;id>/tmp/x;echo ', '', '-x', 'a b', '[::1]', '1.2.3.4:80', '/x']) {
      assert.throws(() => trainerArguments({ ...gang, masterAddress }, 'c.yaml'), { type: 'InvalidConfig' });
    }
    for (const port of [0, 65_536, 1.5, Number.NaN]) {
      assert.throws(() => trainerArguments({ ...gang, port }, 'c.yaml'), { type: 'InvalidConfig' });
    }
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

  it('leaves every setting to the file', () => {
    const args = trainerArguments(input({ hosts: 2, gpusPerHost: 1 }), 'c.yaml').join(' ');
    assert.doesNotMatch(args, /SOLVER|[()"'$;]/);
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
