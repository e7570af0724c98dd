import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkOf, giveGpus, giveTorch, lookAt, makeCheckedHost } from './hosts.ts';

describe('checkHost', () => {
  it('looks at all but the GPUs of a pretend host, says so, and takes less than a second', async (t) => {
    const host = await makeCheckedHost(t, true);
    const begun = Date.now();
    const report = await lookAt(host);
    assert.ok(Date.now() - begun < 1000);
    assert.deepEqual(
      report.checks.map(({ name, outcome }) => [name, outcome]),
      [
        ['gpus', 'skipped'],
        ['torch', 'skipped'],
        ['gemm', 'skipped'],
        ['room', 'passed'],
        ['data', 'passed'],
        ['checkout', 'skipped'],
        ['clock', 'passed'],
      ],
    );
    assert.match(checkOf(report, 'gemm').said, /pretended/);
    assert.equal(report.host, 'gpu-1');
    assert.equal(report.meeting, undefined);
  });

  it('passes a host in good health, with figures', async (t) => {
    const host = await makeCheckedHost(t);
    await giveGpus(host, [{}, {}]);
    giveTorch(t, 600, 580);
    const report = await lookAt(host);
    assert.deepEqual(
      report.checks.filter(({ outcome }) => outcome === 'failed'),
      [],
    );
    assert.match(checkOf(report, 'gpus').said, /^2 free \(NVIDIA H100 80GB HBM3\), no uncorrectable ECC/);
    assert.match(checkOf(report, 'torch').said, /sees 2 GPUs, as the driver does/);
    assert.match(checkOf(report, 'gemm').said, /TFLOP\/s on the slowest GPU/);
    assert.ok(report.tflops !== undefined && report.tflops > 100);
    assert.match(checkOf(report, 'data').said, /^1 data sets .* 1 of their images sampled$/);
  });
});
