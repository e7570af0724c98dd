/** @module Files beyond 4 GiB, of which the disk holds only what is not zero. */
import assert from 'node:assert/strict';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { crc32 } from 'node:zlib';
import { execa } from 'execa';
import { BLOCK_BYTES, readBlocks } from '../../../activities/torch-file/blocks.ts';
import { openFileSource, readBytes, type ByteSource } from '../../../activities/torch-file/byte-source.ts';
import { readCheckpoint, type Tensor } from '../../../activities/torch-file/checkpoint.ts';
import { planConversion } from '../../../activities/torch-file/convert.ts';
import { dtypeOfGlobal } from '../../../activities/torch-file/dtypes.ts';
import { planTorchFile, type TorchFile } from '../../../activities/torch-file/torch-file.ts';
import { localHeader } from '../../../activities/torch-file/zip-records.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';

const forever = new AbortController().signal;
const HUGE_BYTES = 4_500_000_001;
const MAKE = `import sys
from sandbox_trainer.torch_file import Tensor, save
save({"model": {"before": Tensor.of((2,), [1, 2]), "after": Tensor.of((3,), [3, 4, 5])}}, sys.argv[1])`;
/** Python's own zipfile has the archive's directory from the very records that are in question. */
const LOOK = `import sys, zipfile
from sandbox_trainer.torch_file import load
sizes = [member.file_size for member in zipfile.ZipFile(sys.argv[1]).infolist()]
model = load(sys.argv[1])["model"]
print(max(sizes), [(name, tensor.shape, tensor.values()) for name, tensor in model.items() if tensor.count < 9])`;

async function sandboxPython(program: string, path: string): Promise<string> {
  return (await execa('python3', ['-c', program, path], { cwd: join(packageRoot, 'sandbox/glee') })).stdout;
}

async function openFor(test: TestContext, path: string): Promise<ByteSource> {
  const source = await openFileSource(path);
  test.after(() => source.close());
  return source;
}

/** A tensor of nothing but zeros, which come from nowhere. */
function hugeTensor(): Tensor {
  const dtype = dtypeOfGlobal('torch.uint8');
  assert.ok(dtype !== undefined);
  const entry = { name: 'huge', headerOffset: 0, sizeBytes: HUGE_BYTES, crc32: crcOfZeros(HUGE_BYTES) };
  const header = localHeader(entry);
  const source: ByteSource = {
    name: 'zeros',
    sizeBytes: header.length + HUGE_BYTES,
    readInto: (target, offset) => {
      target.fill(0);
      if (offset < header.length) target.set(header.subarray(offset, offset + target.length));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  const storage = { source, key: '0', dtype, numel: HUGE_BYTES, sizeBytes: HUGE_BYTES, entry };
  const place = { shape: [HUGE_BYTES], strides: [1], storageOffset: 0, requiresGrad: false };
  return { name: 'huge', dtype, storage, ...place };
}

function crcOfZeros(sizeBytes: number): number {
  const zeros = Buffer.alloc(1 << 20);
  let sum = 0;
  for (let left = sizeBytes; left > 0; left -= zeros.length) {
    sum = crc32(left < zeros.length ? zeros.subarray(0, left) : zeros, sum);
  }
  return sum;
}

/** All of it but the zeros, which the file system makes up. */
async function writeSparsely({ segments, sizeBytes }: TorchFile, path: string): Promise<void> {
  const target = await open(path, 'w');
  try {
    await target.truncate(sizeBytes);
    for (const segment of segments) {
      if (segment.sizeBytes === HUGE_BYTES) continue;
      const bytes =
        segment.kind === 'bytes'
          ? segment.bytes
          : await readBytes(segment.source, segment.sourceOffset, segment.sizeBytes, forever);
      await target.write(bytes, 0, bytes.length, segment.offset);
    }
  } finally {
    await target.close();
  }
}

it('a checkpoint beyond 4 GiB is written, read, and converted to the last byte', async (test) => {
  const folder = await temporaryFolder(test);
  const [small, huge] = [join(folder, 'small.pth'), join(folder, 'huge.pth')];
  await sandboxPython(MAKE, small);
  const { tensors } = await readCheckpoint(await openFor(test, small), forever);
  const [before, after] = tensors;
  assert.ok(before !== undefined && after !== undefined);
  // One tensor that is too large for 32 bits, and one that begins beyond them.
  await writeSparsely(await planTorchFile([before, hugeTensor(), after], forever), huge);
  assert.ok((await stat(huge)).blocks * 512 < 1 << 20);
  assert.equal(
    await sandboxPython(LOOK, huge),
    `${HUGE_BYTES} [('before', (2,), [1.0, 2.0]), ('after', (3,), [3.0, 4.0, 5.0])]`,
  );

  const { file, report } = await planConversion(
    await openFor(test, huge),
    { drop: [], prefix: 'net.' },
    forever,
  );
  assert.deepEqual(report.kept, { tensors: 3, parameters: HUGE_BYTES + 5 });
  const free: Buffer[] = [];
  let copied = 0;
  // Their sums are checked on the way.
  for await (const { offset, bytes } of readBlocks(
    file,
    forever,
    () => free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES),
  )) {
    assert.equal(offset, copied);
    copied += bytes.length;
    free.push(Buffer.from(bytes.buffer));
  }
  assert.equal(copied, file.sizeBytes);
});
