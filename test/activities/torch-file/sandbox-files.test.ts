import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { execa } from 'execa';
import { readBlocks } from '../../../activities/torch-file/blocks.ts';
import { openFileSource, type ByteSource } from '../../../activities/torch-file/byte-source.ts';
import { readCheckpoint } from '../../../activities/torch-file/checkpoint.ts';
import { planConversion } from '../../../activities/torch-file/convert.ts';
import { openS3Source } from '../../../activities/torch-file/s3-source.ts';
import type { TorchFile } from '../../../activities/torch-file/torch-file.ts';
import { writeTorchFile } from '../../../activities/torch-file/write-file.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { startTestS3 } from '../s3.ts';

const forever = new AbortController().signal;
const PREFIXED = { drop: ['dropped'], prefix: 'net.' };
const LARGE_BYTES = 8 << 20;

/** Made by the sandbox's own writer, so that these tests need no torch: three tensors, one of them large. */
const MAKE = `import sys
from sandbox_trainer.torch_file import Padding, Tensor, save
save({"model": {"a": Tensor.of((2, 3), [1, 2, 3, 4, 5, 6]), "dropped": Tensor.of((1,), [7]),
      "large": Padding(int(sys.argv[2]), 1)}, "iteration": 9}, sys.argv[1])`;
const LOAD = `import sys
from sandbox_trainer.torch_file import load
print({name: (tensor.shape, sum(tensor.values())) for name, tensor in load(sys.argv[1])["model"].items() if tensor.count < 9})`;

async function sandboxPython(program: string, ...args: readonly string[]): Promise<string> {
  const cwd = join(packageRoot, 'sandbox/glee');
  return (await execa('python3', ['-c', program, ...args], { cwd })).stdout;
}

async function makeFile(
  test: TestContext,
  largeBytes = LARGE_BYTES,
): Promise<{ readonly folder: string; readonly path: string }> {
  const folder = await temporaryFolder(test);
  const path = join(folder, 'in.pth');
  await sandboxPython(MAKE, path, String(largeBytes));
  return { folder, path };
}

async function openFor(test: TestContext, path: string): Promise<ByteSource> {
  const source = await openFileSource(path);
  test.after(() => source.close());
  return source;
}

/** Counts what passes, and may do something before each read. */
function watched(source: ByteSource, before: () => void = () => undefined) {
  let readBytes = 0;
  const watching: ByteSource = {
    ...source,
    readInto: (target, offset, signal) => {
      readBytes += target.length;
      before();
      return source.readInto(target, offset, signal);
    },
  };
  return { source: watching, readBytes: () => readBytes };
}

describe("the sandbox trainer's files", () => {
  it('are converted, and read again by the sandbox', async (test) => {
    const { folder, path } = await makeFile(test);
    const out = join(folder, 'out.pth');
    const { file, report } = await planConversion(await openFor(test, path), PREFIXED, forever);
    await writeTorchFile(file, out, forever);
    assert.deepEqual(report.dropped, ['dropped']);
    assert.equal(await sandboxPython(LOAD, out), "{'net.a': ((2, 3), 21.0)}");
  });

  it('come as chunks with the very bytes of the file, as many as were announced', async (test) => {
    const { folder, path } = await makeFile(test);
    const { file } = await planConversion(await openFor(test, path), PREFIXED, forever);
    await writeTorchFile(file, join(folder, 'out.pth'), forever);
    const bytes = await streamed(file);
    assert.equal(bytes.length, file.sizeBytes);
    assert.ok(bytes.equals(await readFile(join(folder, 'out.pth'))));
  });

  it('leave nothing behind when the conversion is aborted while it copies', async (test) => {
    const { folder, path } = await makeFile(test);
    const controller = new AbortController();
    let reads = 0;
    let isCopying = false;
    const { source } = watched(await openFor(test, path), () => {
      if (!isCopying) return;
      reads += 1;
      if (reads === 3) controller.abort();
    });
    const { file } = await planConversion(source, PREFIXED, controller.signal);
    isCopying = true;
    await assert.rejects(writeTorchFile(file, join(folder, 'out.pth'), controller.signal), {
      name: 'AbortError',
    });
    assert.deepEqual(await readdir(folder), ['in.pth']);
  });

  it('with a damaged directory are refused, or give the same tensors, whichever of its bytes is flipped', async (test) => {
    const { folder, path } = await makeFile(test, 1000);
    const whole = await readFile(path);
    const expected = await listing(await openFor(test, path));
    const damaged = join(folder, 'damaged.pth');
    const directory = whole.readUInt32LE(whole.length - 6);
    let refusals = 0;
    for (let at = directory; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      await writeFile(damaged, bytes);
      const source = await openFileSource(damaged);
      try {
        const { file } = await planConversion(source, { drop: [], prefix: '' }, forever);
        await streamed(file);
        assert.equal(await listing(source), expected, `byte ${at}`);
      } catch (error) {
        assert.ok(error instanceof Error && error.name === 'TorchFileError', `byte ${at}: ${String(error)}`);
        refusals += 1;
      } finally {
        await source.close();
      }
    }
    assert.ok(refusals > 100, String(refusals));
  });

  it('in S3 are shown for a small share of their bytes, and refused when they are replaced meanwhile', async (test) => {
    const { path } = await makeFile(test);
    const s3 = await startTestS3();
    test.after(() => s3.stop());
    const put = async (Body: Buffer) =>
      s3.client.send(new PutObjectCommand({ Bucket: 'glee', Key: 'weights/in.pth', Body }));
    await put(await readFile(path));
    const object = { client: s3.client, bucket: 'glee', key: 'weights/in.pth' };
    const { source, readBytes } = watched(await openS3Source(object, forever));
    assert.equal(await listing(source), await listing(await openFor(test, path)));
    assert.ok(readBytes() < 0.02 * source.sizeBytes, String(readBytes()));
    await put(Buffer.from('another'));
    await assert.rejects(readCheckpoint(source, forever), /weights\/in\.pth was replaced while it was read/);
  });
});

async function streamed(file: TorchFile): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const { bytes } of readBlocks(file, forever)) chunks.push(bytes);
  return Buffer.concat(chunks);
}

async function listing(source: ByteSource): Promise<string> {
  const { tensors } = await readCheckpoint(source, forever);
  return tensors.map(({ name, shape, dtype }) => `${name} ${shape.join('x')} ${dtype.name}`).join('\n');
}
