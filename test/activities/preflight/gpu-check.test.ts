/** @module What a host without working, free and fast GPUs is told from one that has them, by tools that answer as told. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runBriefly } from '../../../activities/preflight/run-briefly.ts';
import { until } from '../../support/until.ts';
import { fixture, makeJob, startTrainer } from '../training/jobs.ts';
import { readTrainer } from '../../../activities/training/jobs/job.ts';
import {
  checkOf,
  giveGpus,
  giveTorch,
  lookAt,
  makeCheckedHost,
  writeTool,
  type FakeGpu,
  type TestHost,
} from './hosts.ts';

async function hostWith(t: TestContext, gpus: readonly FakeGpu[], log = ''): Promise<TestHost> {
  const host = await makeCheckedHost(t);
  await giveGpus(host, gpus, log);
  giveTorch(t, ...gpus.map(() => 600));
  return host;
}

/** A line of the kernel's log, so many minutes old. */
function xid(pci: string, what: string, minutes = 1): string {
  const at = new Date(Date.now() - minutes * 60_000)
    .toISOString()
    .replace('.', ',')
    .replace('Z', '000+00:00');
  return `${at} NVRM: Xid (PCI:0000:${pci}:00): ${what}`;
}

describe('the GPUs of a host', () => {
  it('are at fault when the lease names one that the driver does not see', async (t) => {
    const host = await hostWith(t, [{}, {}]);
    const gpus = checkOf(await lookAt(host, { gpuIndices: [1, 2] }), 'gpus');
    assert.deepEqual([gpus.outcome, gpus.hostFault], ['failed', true]);
    assert.match(gpus.said, /sees 2 GPUs, and not 2 of the lease/);
  });

  it('are at fault when there are fewer than the stage trains on', async (t) => {
    const host = await hostWith(t, [{}]);
    const report = await lookAt(host);
    assert.match(checkOf(report, 'gpus').said, /sees 1 GPUs, and the stage trains on 2/);
    assert.ok(
      report.checks.every(({ name }) => name !== 'gemm'),
      'a broken GPU is given no work',
    );
  });

  it("are at fault with uncorrectable ECC errors, if they are the lease's", async (t) => {
    const host = await hostWith(t, [{}, { ecc: '3' }, {}]);
    const all = checkOf(await lookAt(host), 'gpus');
    assert.deepEqual([all.outcome, all.hostFault], ['failed', true]);
    assert.match(all.said, /GPU 1 has 3 uncorrectable ECC errors/);
    assert.equal(checkOf(await lookAt(host, { gpuIndices: [0, 2] }), 'gpus').outcome, 'passed');
  });

  it('are fit where they count no ECC errors at all', async (t) => {
    const host = await hostWith(t, [{ ecc: '[N/A]' }, { ecc: '[Not Supported]' }]);
    assert.equal(checkOf(await lookAt(host), 'gpus').outcome, 'passed');
  });

  it('are at fault when the driver speaks of one in words', async (t) => {
    const host = await hostWith(t, [{}, { ecc: '[GPU is lost]' }]);
    const gpus = checkOf(await lookAt(host), 'gpus');
    assert.deepEqual([gpus.outcome, gpus.hostFault], ['failed', true]);
    assert.match(gpus.said, /GPU is lost/);
  });

  it('are at fault with a fresh Xid of the hardware, and not with an old one or one that programs cause', async (t) => {
    const log = [xid('0b', '31, pid=9, Ch 00000008'), xid('0b', '79, pid=9, old', 90)];
    const fit = await hostWith(t, [{}, {}], log.join('\n'));
    assert.equal(checkOf(await lookAt(fit), 'gpus').outcome, 'passed');
    await giveGpus(fit, [{}, {}], xid('1b', '79, pid=1896, GPU has fallen off the bus.'));
    const gpus = checkOf(await lookAt(fit), 'gpus');
    assert.deepEqual([gpus.outcome, gpus.hostFault], ['failed', true]);
    assert.match(gpus.said, /^GPU 1: Xid 79: pid=1896, GPU has fallen off the bus\.$/);
    assert.equal(checkOf(await lookAt(fit, { gpuIndices: [0] }), 'gpus').outcome, 'passed');
  });

  it("are looked at without the kernel's log where it is not for this user, which is said", async (t) => {
    const host = await hostWith(t, [{}, {}]);
    await writeTool(
      host,
      'dmesg',
      'echo "dmesg: read kernel buffer failed: Operation not permitted" >&2; exit 1',
    );
    const gpus = checkOf(await lookAt(host), 'gpus');
    assert.equal(gpus.outcome, 'passed');
    assert.match(gpus.said, /log cannot be read/);
  });

  it("are busy with a stranger's process, which is not the host's fault", async (t) => {
    const host = await hostWith(t, [{}, { pid: process.pid, used: 40_000 }]);
    const gpus = checkOf(await lookAt(host), 'gpus');
    assert.deepEqual([gpus.outcome, gpus.hostFault], ['failed', undefined]);
    assert.match(gpus.said, new RegExp(`GPU 1 is used by process ${process.pid} \\(python\\)`));
    assert.equal(checkOf(await lookAt(host, { gpuIndices: [0] }), 'gpus').outcome, 'passed');
  });

  it('are free while an attempt of the same stage is still ending on them', async (t) => {
    const host = await hostWith(t, []);
    const job = await makeJob(t, 1, host.settings.scratch);
    await startTrainer(job, host.settings.python, fixture('waits.py'));
    const pid = await until('the trainer', async () => (await readTrainer(job))?.pid);
    await giveGpus(host, [{ pid, used: 40_000 }, {}]);
    assert.equal(checkOf(await lookAt(host), 'gpus').outcome, 'passed');
    const other = await lookAt(host, { run: 'another' });
    assert.match(checkOf(other, 'gpus').said, new RegExp(`used by process ${pid}`));
  });

  it('are busy when memory is in use and no one says by whom', async (t) => {
    const host = await hostWith(t, [{ used: 2000 }, {}]);
    const gpus = checkOf(await lookAt(host), 'gpus');
    assert.equal(gpus.outcome, 'failed');
    assert.match(gpus.said, /GPU 0 has 2000 MiB in use/);
  });

  describe('of a worker that has CUDA_VISIBLE_DEVICES', () => {
    const see = (t: TestContext, devices: string) => {
      process.env.CUDA_VISIBLE_DEVICES = devices;
      t.after(() => Reflect.deleteProperty(process.env, 'CUDA_VISIBLE_DEVICES'));
    };
    const stranger = { pid: process.pid, used: 40_000 };

    for (const devices of ['2,3', 'GPU-2,GPU-3', ' 2, GPU-3'])
      it(`are the ones that '${devices}' names, whoever uses the others`, async (t) => {
        const host = await hostWith(t, [stranger, { ecc: '3' }, {}, {}]);
        giveTorch(t, 1, 1, 600, 580);
        see(t, devices.replaceAll('GPU-', ''));
        for (const change of [{}, { gpuIndices: [0, 1] }, { gpuIndices: [1] }]) {
          const report = await lookAt(host, change);
          assert.equal(checkOf(report, 'gpus').outcome, 'passed', checkOf(report, 'gpus').said);
          assert.equal(checkOf(report, 'gemm').outcome, 'passed');
        }
        see(t, devices);
        assert.equal(checkOf(await lookAt(host), 'gpus').outcome, 'passed');
      });

    it('are busy, or lacking, by the places that the lease counts', async (t) => {
      const host = await hostWith(t, [{}, {}, {}, stranger]);
      see(t, '2,3');
      assert.match(
        checkOf(await lookAt(host, { gpuIndices: [1] }), 'gpus').said,
        /^GPU 3 is used by process/,
      );
      assert.match(
        checkOf(await lookAt(host, { gpuIndices: [0, 2] }), 'gpus').said,
        /sees 2 GPUs of CUDA_VISIBLE_DEVICES '2,3', and not 2 of the lease/,
      );
    });

    it('multiply on the GPUs that the trainer would get', async (t) => {
      const host = await hostWith(t, [{}, {}, {}, {}]);
      giveTorch(t, 1, 1, 600, 580);
      see(t, '2,3');
      const { tflops } = await lookAt(host, { gpuIndices: [0, 1] });
      assert.ok(tflops !== undefined && tflops > 100, String(tflops));
    });

    it('are not checked where they are parts of GPUs', async (t) => {
      const host = await hostWith(t, [stranger]);
      see(t, 'MIG-1234');
      assert.equal(checkOf(await lookAt(host, { gpuIndices: [0] }), 'gpus').outcome, 'skipped');
    });
  });

  it('fail by name where there is no nvidia-smi', async (t) => {
    const host = await makeCheckedHost(t);
    const gpus = checkOf(await lookAt(host), 'gpus');
    assert.deepEqual([gpus.outcome, gpus.hostFault, gpus.inconclusive], ['failed', true, true]);
    assert.match(gpus.said, /nvidia-smi is not on the PATH/);
  });

  it('fail by name where nvidia-smi refuses, with its word', async (t) => {
    const host = await makeCheckedHost(t);
    await writeTool(
      host,
      'nvidia-smi',
      'echo "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system"; exit 15',
    );
    assert.match(
      checkOf(await lookAt(host), 'gpus').said,
      /nvidia-smi: Unable to determine the device handle .* GPU is lost/,
    );
  });
});

describe('a tool that hangs', () => {
  it('is given up by name, with all that it started', async (t) => {
    const host = await makeCheckedHost(t);
    await writeTool(
      host,
      'nvidia-smi',
      `trap '' TERM; sleep 600 & echo $! > ${host.tools}/pid; wait; sleep 600`,
    );
    const begun = Date.now();
    await assert.rejects(
      runBriefly('nvidia-smi', [], { limitMs: 500, signal: new AbortController().signal }),
      /nvidia-smi hangs: no answer within 0.5 s/,
    );
    assert.ok(Date.now() - begun < 3000);
    const pid = (await readFile(join(host.tools, 'pid'), 'utf8')).trim();
    await until('what it started to be gone', async () => !(await readdir('/proc')).includes(pid));
  });

  it('is not waited for when the activity is to end', async () => {
    const ending = AbortSignal.timeout(100);
    await assert.rejects(runBriefly('sleep', ['600'], { limitMs: 60_000, signal: ending }), /not waited for/);
  });
});

describe('the GEMM of a host', () => {
  it('finds a GPU that is far slower than the others of its host', async (t) => {
    const host = await hostWith(t, [{}, {}, {}]);
    giveTorch(t, 600, 600, 100);
    const gemm = checkOf(await lookAt(host), 'gemm');
    assert.deepEqual([gemm.outcome, gemm.hostFault], ['failed', true]);
    assert.match(gemm.said, /^GPU 2 does \d+(\.\d+)? TFLOP\/s, usual: \d/);
  });

  it('finds that all are far slower than they used to be, and does not get used to it', async (t) => {
    const host = await hostWith(t, [{}, {}]);
    const kept = join(host.settings.scratch, 'health/gemm.json');
    for (let round = 0; round < 2; round++) {
      assert.equal(checkOf(await lookAt(host), 'gemm').outcome, 'passed');
      await writeFile(kept, 'forgotten');
    }
    giveTorch(t, 100, 100);
    for (let round = 0; round < 2; round++) {
      const gemm = checkOf(await lookAt(host), 'gemm');
      assert.equal(gemm.outcome, 'failed');
      assert.match(gemm.said, /GPU 0 does .*; GPU 1 does/);
    }
  });

  it('is not done again within minutes, which is said', async (t) => {
    const host = await hostWith(t, [{}, {}]);
    await lookAt(host);
    giveTorch(t);
    const report = await lookAt(host);
    assert.match(checkOf(report, 'gemm').said, /TFLOP\/s on the slowest GPU.* \d+ s ago$/);
    assert.ok(report.tflops !== undefined);
  });

  it('fails by name where torch sees other GPUs than the driver', async (t) => {
    const host = await hostWith(t, [{}, {}]);
    giveTorch(t, 600);
    const torch = checkOf(await lookAt(host), 'torch');
    assert.deepEqual([torch.outcome, torch.hostFault], ['failed', true]);
    assert.match(torch.said, /sees 1 GPUs, the driver 2/);
  });

  it("gives torch the lease's GPUs alone", async (t) => {
    const host = await hostWith(t, [{}, {}, {}]);
    assert.match(
      checkOf(await lookAt(host, { gpuIndices: [2] }), 'torch').said,
      /sees 1 GPUs, as the driver/,
    );
  });

  it("says that torch is missing, which is not the hardware's fault", async (t) => {
    const host = await hostWith(t, [{}, {}]);
    process.env.FAKE_TFLOPS = 'missing';
    const torch = checkOf(await lookAt(host), 'torch');
    assert.deepEqual([torch.outcome, torch.hostFault], ['failed', undefined]);
    assert.match(torch.said, /libcudart.*: install torch for GLEE_PYTHON/);
  });

  it("fails by the GPU's own words where one breaks down under it", async (t) => {
    const host = await hostWith(t, [{}, {}]);
    giveTorch(t, 600, 0);
    const gemm = checkOf(await lookAt(host), 'gemm');
    assert.deepEqual([gemm.outcome, gemm.hostFault], ['failed', true]);
    assert.match(gemm.said, /RuntimeError: CUDA error: uncorrectable ECC error/);
  });

  it('fails by name where GLEE_PYTHON does not start', async (t) => {
    const host = await hostWith(t, [{}, {}]);
    const report = await lookAt({ ...host, settings: { ...host.settings, python: '/no/such/python' } });
    const torch = checkOf(report, 'torch');
    assert.deepEqual([torch.outcome, torch.hostFault, torch.inconclusive], ['failed', undefined, undefined]);
    assert.match(torch.said, /\/no\/such\/python is not on the PATH: set GLEE_PYTHON/);
  });
});
