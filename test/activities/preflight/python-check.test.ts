/** @module What a Python lacks to run GLEE, found without importing it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { execa } from 'execa';
import { lookAtPython } from '../../../activities/preflight/python-check.ts';
import { temporaryFolder, writeInto } from '../../fixtures/glee-checkout.ts';
import { PYTHON } from '../training/jobs.ts';
import { checkOf, giveGpus, giveTorch, lookAt, makeCheckedHost, type TestHost } from './hosts.ts';

const MODULES = [
  'torchvision',
  'detectron2',
  'fvcore',
  'iopath',
  'scipy',
  'timm',
  'transformers',
  'einops',
  'fairscale',
];
const GLEE = 'projects/GLEE/glee/GLEE.py';
const never = () => new AbortController().signal;

/** A Python that has all that GLEE imports, but for `without`. */
async function giveModules(t: TestContext, without: readonly string[] = []): Promise<void> {
  const folder = await temporaryFolder(t);
  const all = ['torch', ...MODULES, 'pycocotools', 'pycocotools/ytvos', 'MultiScaleDeformableAttention'];
  for (const name of all.filter((one) => !without.includes(one)))
    await writeInto(folder, `${name}/__init__.py`, '');
  // As a patch for Python 3.11 does.
  await writeInto(
    folder,
    'detectron2/_C.py',
    'import random\nrandom.sample = lambda all, count: sorted(all)[:count]\n',
  );
  const before = process.env.PYTHONPATH;
  process.env.PYTHONPATH = before === undefined ? folder : `${folder}:${before}`;
  t.after(() => {
    if (before === undefined) Reflect.deleteProperty(process.env, 'PYTHONPATH');
    else process.env.PYTHONPATH = before;
  });
}

async function gleeCheckout(t: TestContext): Promise<string> {
  const checkout = await temporaryFolder(t);
  await writeInto(checkout, GLEE, '');
  return checkout;
}

describe('a Python for GLEE', () => {
  it('has all that GLEE imports', async (t) => {
    await giveModules(t);
    const { problem, warning } = await lookAtPython(
      { python: PYTHON, checkout: await gleeCheckout(t) },
      never(),
    );
    assert.deepEqual([problem, warning], [undefined, undefined]);
  });

  it('is told what it lacks, and how to get it', async (t) => {
    await giveModules(t, ['timm', 'pycocotools/ytvos']);
    const { problem = '' } = await lookAtPython({ python: PYTHON, checkout: await gleeCheckout(t) }, never());
    assert.match(
      problem,
      /has no timm, pycocotools\.ytvos: install timm; the pycocotools of github\.com\/wjf5203/,
    );
  });

  it('is warned where the attention of GLEE is not compiled, with the command that does it', async (t) => {
    await giveModules(t, ['MultiScaleDeformableAttention']);
    const checkout = await gleeCheckout(t);
    const { problem, warning = '' } = await lookAtPython({ python: PYTHON, checkout }, never());
    assert.equal(problem, undefined);
    const folder = join(checkout, 'projects/GLEE/glee/models/pixel_decoder/ops');
    assert.ok(warning.includes(`(cd '${folder}' && '${PYTHON}' setup.py build install)`), warning);
  });

  it('is too new for GLEE where it draws no samples from sets', async (t) => {
    const { stdout } = await execa(PYTHON, ['-c', 'import sys; print(sys.version_info >= (3, 11))']);
    await giveModules(t, ['detectron2/_C.py']);
    await writeInto(process.env.PYTHONPATH?.split(':')[0] ?? '', 'detectron2/_C.py', '');
    const { problem } = await lookAtPython({ python: PYTHON, checkout: await gleeCheckout(t) }, never());
    if (stdout === 'True') assert.match(problem ?? '', /draws no samples from sets.*Python 3\.10 or older/);
    else assert.equal(problem, undefined);
  });

  it('is not judged for a trainer that is not GLEE', async (t) => {
    const { isGlee, problem } = await lookAtPython(
      { python: PYTHON, checkout: await temporaryFolder(t) },
      never(),
    );
    assert.deepEqual([isGlee, problem], [false, undefined]);
  });
});

describe("the check 'torch' of a host", () => {
  async function gleeHost(t: TestContext, pretend: boolean): Promise<TestHost> {
    const host = await makeCheckedHost(t, pretend);
    await writeInto(host.settings.checkout, GLEE, '');
    await giveGpus(host, [{}, {}]);
    giveTorch(t, 600, 600);
    return host;
  }

  for (const pretend of [true, false]) {
    const whose = pretend ? 'without GPUs' : 'with GPUs';
    it(`fails on a host ${whose} whose Python lacks what GLEE imports; the host is not to blame`, async (t) => {
      const host = await gleeHost(t, pretend);
      await giveModules(t, ['detectron2', 'torch']);
      const { outcome, said, hostFault } = checkOf(await lookAt(host), 'torch');
      assert.deepEqual([outcome, hostFault], ['failed', undefined]);
      assert.match(said, /has no .*detectron2.*pip install -e \./);
    });

    it(`passes with a warning on a host ${whose} whose GLEE is slow`, async (t) => {
      const host = await gleeHost(t, pretend);
      await giveModules(t, ['MultiScaleDeformableAttention', ...(pretend ? [] : ['torch'])]);
      const { outcome, said } = checkOf(await lookAt(host), 'torch');
      assert.equal(outcome, 'passed', said);
      assert.match(said, /warning: MultiScaleDeformableAttention is not compiled/);
    });
  }
});
