import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { alignedBuffer, createDirectFile, type DirectFile } from '../../../activities/files/direct-file.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';

const BLOCK_BYTES = 64 << 10;

it('has every block in its place, written at once and in any order, the last one of no whole page', async (test) => {
  const content = randomBytes(5 * BLOCK_BYTES + 777);
  const { path, file } = await createIn(test, content.length);
  const blocks = Array.from({ length: 6 }, (_, index) => {
    const part = content.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
    const bytes = alignedBuffer(BLOCK_BYTES).subarray(0, part.length);
    bytes.set(part);
    return { bytes, offset: index * BLOCK_BYTES };
  });
  await Promise.all(blocks.toReversed().map(({ bytes, offset }) => file.write(bytes, offset)));
  await file.sync();
  await file.close();
  assert.ok(content.equals(await readFile(path)));
});

it('writes through the cache what the file system does not take past it: an odd address, an odd offset', async (test) => {
  const content = randomBytes(2 * BLOCK_BYTES);
  const { path, file } = await createIn(test, content.length + 1);
  await file.write(content.subarray(0, BLOCK_BYTES - 1), 0);
  await file.write(content.subarray(BLOCK_BYTES - 1, 2 * BLOCK_BYTES - 1), BLOCK_BYTES - 1);
  // Whole pages at a whole offset, but one of the two begins at an odd address.
  const [even, odd] = [alignedBuffer(BLOCK_BYTES), alignedBuffer(BLOCK_BYTES + 1).subarray(1)];
  for (const bytes of [even, odd]) {
    bytes.set(content.subarray(BLOCK_BYTES));
    await file.write(bytes, BLOCK_BYTES);
  }
  await file.close();
  const written = await readFile(path);
  assert.ok(content.equals(written.subarray(0, content.length)));
});

it('takes no path that is taken', async (test) => {
  const folder = await temporaryFolder(test);
  await writeFile(join(folder, 'out'), 'mine');
  await assert.rejects(createDirectFile(join(folder, 'out'), BLOCK_BYTES), { code: 'EEXIST' });
  assert.equal(await readFile(join(folder, 'out'), 'utf8'), 'mine');
});

async function createIn(
  test: TestContext,
  sizeBytes: number,
): Promise<{ readonly path: string; readonly file: DirectFile }> {
  const path = join(await temporaryFolder(test), 'out');
  return { path, file: await createDirectFile(path, sizeBytes) };
}
