import assert from 'node:assert/strict';
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { openFileSource } from '../../../activities/torch-file/byte-source.ts';
import { readCheckpoint } from '../../../activities/torch-file/checkpoint.ts';
import { EVA02_RECIPE, planConversion } from '../../../activities/torch-file/convert.ts';
import { planMerge } from '../../../activities/torch-file/merge.ts';
import { mustBeHarmless } from '../../../activities/torch-file/scan.ts';
import { writeTorchFile } from '../../../activities/torch-file/write-file.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { pythonWithTorch } from '../../../sandbox/torch-python.ts';

const forever = new AbortController().signal;
const program = join(packageRoot, 'test/fixtures/torch_checkpoints.py');
const python = await pythonWithTorch();
const skip = python === undefined ? "no Python here has torch (Debian's is python3-torch)" : false;

describe('checkpoints that real torch wrote', { skip }, () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  const torch = async (...args: readonly string[]) =>
    (await execa(python ?? '', [program, ...args], { timeout: 120_000 })).stdout;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'glee-torch-'));
    await torch('make', folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function convert(name: string, to = 'converted.pth'): Promise<void> {
    const source = await openFileSource(at(name));
    try {
      const { file } = await planConversion(source, EVA02_RECIPE, forever);
      await writeTorchFile(file, at(to), forever);
    } finally {
      await source.close();
    }
  }

  /** Nothing may be there under the final name, nor beside it. */
  async function mustNotConvert(name: string, message: RegExp): Promise<void> {
    const before = await readdir(folder);
    await assert.rejects(convert(name, 'none.pth'), { name: 'TorchFileError', message });
    assert.deepEqual(await readdir(folder), before);
  }

  it("are converted as GLEE's own script does it, tensor by tensor, and torch reads them without trust", async () => {
    for (const name of ['plain.pt', 'beside.pt', 'objects.pt']) {
      await convert(name);
      assert.equal(await torch('compare', at(name), at('converted.pth')), '317 tensors are equal', name);
    }
  });

  it('are let pass to torch.load where they hold data alone, and else refused by name', async () => {
    const scanned = async (name: string) => {
      const source = await openFileSource(at(name));
      try {
        await mustBeHarmless(source, forever);
      } finally {
        await source.close();
      }
    };
    for (const name of ['plain.pt', 'beside.pt', 'legacy.pt', 'object-inside.pt']) await scanned(name);
    await assert.rejects(scanned('objects.pt'), /names torch\.optim\.adamw\.AdamW, which a file of weights/);
    for (const name of ['evil-beside.pt', 'evil-inside.pt'])
      await assert.rejects(scanned(name), /names posix\.system, which serves to run code/);
  });

  it('are converted so at full size as well: 300 tensors, 1.2 GB in fp32', async () => {
    const files = [at('large.pt'), at('large-converted.pth')] as const;
    try {
      await torch('make-large', files[0]);
      await convert('large.pt', 'large-converted.pth');
      assert.equal(await torch('compare', ...files), '300 tensors are equal');
    } finally {
      for (const file of files) await rm(file, { force: true });
    }
  });

  it('are merged as torch would do it, with a report of what came from where and what does not fit', async () => {
    const [base, other] = [await openFileSource(at('base.pt')), await openFileSource(at('other.pt'))];
    const recipe = { except: 'glee.backbone.', under: 'net.', as: 'glee.backbone.net.' };
    const { file, report } = await planMerge(base, other, recipe, forever);
    await writeTorchFile(file, at('merged.pth'), forever);
    await Promise.all([base.close(), other.close()]);
    const told = await torch('compare-merge', at('base.pt'), at('other.pt'), at('merged.pth'));
    assert.equal(told, '3 tensors are equal');
    assert.deepEqual(report, {
      fromBase: { tensors: 1, parameters: 3 },
      fromOther: { tensors: 2, parameters: 7 },
      dropped: ['glee.backbone.stem', 'glee.backbone.net.a'],
      replaced: 1,
      misfits: [{ name: 'glee.backbone.net.a', base: [4], other: [5] }],
    });
  });

  it('run nothing: what would is refused by its name, wherever it stands', async () => {
    for (const name of ['evil-beside.pt', 'evil-inside.pt']) {
      await mustNotConvert(name, /(os|posix)\.system/);
    }
    await assert.rejects(access(at('marker')));
  });

  it('are refused when something else than a tensor stands among the tensors, by its name', async () => {
    await mustNotConvert('object-inside.pt', /args.*argparse\.Namespace/);
  });

  it('from before torch 1.6 are refused with the way to save them again', async () => {
    await mustNotConvert('legacy.pt', /torch\.save\(torch\.load\(/);
  });

  it('that are cut off anywhere are refused', async () => {
    const whole = await readFile(at('plain.pt'));
    for (const share of [0, 0.01, 0.3, 0.7, 0.95, 0.999]) {
      await writeFile(at('cut.pt'), whole.subarray(0, Math.floor(whole.length * share)));
      await mustNotConvert('cut.pt', /cut\.pt/);
    }
    await writeFile(at('cut.pt'), whole.subarray(0, whole.length - 1));
    await mustNotConvert('cut.pt', /cut\.pt/);
  });

  it('with a damaged byte are refused by the sum of the member that has it', async () => {
    const bytes = await readFile(at('plain.pt'));
    const source = await openFileSource(at('plain.pt'));
    const { tensors } = await readCheckpoint(source, forever);
    await source.close();
    const entry = tensors.find(({ name }) => name === 'blocks.7.weight')?.storage.entry;
    assert.ok(entry !== undefined);
    const end = entry.headerOffset + 30 + entry.name.length + 64 + entry.sizeBytes - 70;
    bytes[end] = (bytes[end] ?? 0) ^ 1;
    await writeFile(at('damaged.pt'), bytes);
    await mustNotConvert(
      'damaged.pt',
      /damaged\.pt: .*data\/\d+ is damaged: its CRC-32 should be [0-9a-f]{8} and is/,
    );
  });
});
