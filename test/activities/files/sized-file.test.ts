import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { createSizedFile, type SizedFile } from '../../../activities/files/sized-file.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';

const BLOCK_BYTES = 64 << 10;

it('has every block in its place, written at once and in any order', async (test) => {
  const content = randomBytes(5 * BLOCK_BYTES + 777);
  const { path, file } = await createIn(test, content.length);
  const blocks = Array.from({ length: 6 }, (_, index) => {
    const part = content.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
    return { bytes: part, offset: index * BLOCK_BYTES };
  });
  await Promise.all(blocks.toReversed().map(({ bytes, offset }) => file.write(bytes, offset)));
  await file.close();
  assert.ok(content.equals(await readFile(path)));
});

it('takes no path that is taken', async (test) => {
  const folder = await temporaryFolder(test);
  await writeFile(join(folder, 'out'), 'mine');
  await assert.rejects(createSizedFile(join(folder, 'out'), BLOCK_BYTES), { code: 'EEXIST' });
  assert.equal(await readFile(join(folder, 'out'), 'utf8'), 'mine');
});

async function createIn(
  test: TestContext,
  sizeBytes: number,
): Promise<{ readonly path: string; readonly file: SizedFile }> {
  const path = join(await temporaryFolder(test), 'out');
  return { path, file: await createSizedFile(path, sizeBytes) };
}
