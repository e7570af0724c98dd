import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { EnvironmentError } from '../../planning/environment/environment-error.ts';
import { countGpus } from '../../workers/gpu-count.ts';
import { temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';

const real = { gpus: undefined, pretend: false, host: 'gpu-7' };

describe('countGpus', () => {
  it('offers all that nvidia-smi finds, or so many of them as it is told, with the memory of the smallest', async (test) => {
    await nvidiaSmi(test, "printf '0, 81559\\n1, 40960\\n'");
    assert.deepEqual(await countGpus(real), { gpus: 2, gpuMemoryMiB: 40_960 });
    assert.deepEqual(await countGpus({ ...real, gpus: 1 }), { gpus: 1, gpuMemoryMiB: 40_960 });
    await refused({ ...real, gpus: 3 }, /gpu-7: GLEE_GPUS is 3, and nvidia-smi finds 2 GPUs/);
  });

  it('counts GPUs that have no memory of their own', async (test) => {
    await nvidiaSmi(test, "printf '0, [N/A]\\n'");
    assert.deepEqual(await countGpus(real), { gpus: 1 });
  });

  it('refuses to start where nvidia-smi fails, finds nothing, hangs or is not there, with its own words', async (test) => {
    const failed = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.";
    await nvidiaSmi(test, `echo "${failed}"; exit 9`);
    await refused(real, /gpu-7: its GPUs cannot be counted: .*couldn't communicate.*GLEE_PRETEND_GPUS=1/s);
    await nvidiaSmi(test, "echo 'No devices were found'");
    await refused(real, /gpu-7: nvidia-smi finds no GPU/);
    await nvidiaSmi(test, 'exec sleep 60');
    await refused(real, /cannot be counted: .*nvidia-smi/, 300);
    process.env.PATH = await temporaryFolder(test);
    await refused(real, /cannot be counted: .*nvidia-smi/);
  });

  it('pretends only what it is told, and does not look then', async (test) => {
    await nvidiaSmi(test, 'exit 1');
    assert.deepEqual(await countGpus({ ...real, pretend: true, gpus: 4 }), { gpus: 4, pretend: true });
    await refused({ ...real, pretend: true }, /set GLEE_GPUS too/);
  });
});

async function refused(settings: Parameters<typeof countGpus>[0], message: RegExp, limitMs?: number) {
  await assert.rejects(countGpus(settings, limitMs), (error) => {
    assert.ok(error instanceof EnvironmentError);
    assert.match(error.message, message);
    return true;
  });
}

/** Comes first on PATH until the test ends. */
async function nvidiaSmi(test: TestContext, script: string): Promise<void> {
  const { PATH = '' } = process.env;
  test.after(() => (process.env.PATH = PATH));
  const folder = await temporaryFolder(test);
  await writeInto(folder, 'nvidia-smi', `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, 'nvidia-smi'), 0o755);
  process.env.PATH = `${folder}:${PATH}`;
}
