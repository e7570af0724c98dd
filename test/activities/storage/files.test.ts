import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  hasContent,
  readTextIfThere,
  sizeIfThere,
  writeFileAtomically,
} from '../../../activities/storage/files.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';

describe('files that are whole or not there', () => {
  it('are written by many at once without a mixture or a left-over', async (test) => {
    const folder = await temporaryFolder(test);
    const path = join(folder, 'job.json');
    const texts = Array.from({ length: 20 }, (_, index) => `${index} `.repeat(5000));
    await Promise.all(texts.map((text) => writeFileAtomically(path, text)));
    assert.ok(texts.includes(await readFile(path, 'utf8')));
    assert.deepEqual(await readdir(folder), ['job.json']);
  });

  it('stay as they were when they cannot be written', async (test) => {
    const folder = await temporaryFolder(test);
    const path = join(folder, 'job.json');
    await mkdir(path);
    await assert.rejects(writeFileAtomically(path, 'text'), { code: 'EISDIR' });
    assert.deepEqual(await readdir(folder), ['job.json']);
    await assert.rejects(writeFileAtomically(join(folder, 'none/job.json'), 'text'), { code: 'ENOENT' });
  });

  it('may be missing, which is told from not to be readable', async (test) => {
    const folder = await temporaryFolder(test);
    assert.equal(await readTextIfThere(join(folder, 'none')), undefined);
    assert.equal(await sizeIfThere(join(folder, 'none')), undefined);
    await assert.rejects(readTextIfThere(folder), { code: 'EISDIR' });
  });

  it('have just the content that is expected, or not', async (test) => {
    const path = join(await temporaryFolder(test), 'x');
    const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    assert.equal(await hasContent(path, { sha256, sizeBytes: 3 }), false);
    await writeFile(path, 'abc');
    assert.equal(await hasContent(path, { sha256, sizeBytes: 3 }), true);
    assert.equal(await hasContent(path, { sha256, sizeBytes: 4 }), false);
    await writeFile(path, 'abd');
    assert.equal(await hasContent(path, { sha256, sizeBytes: 3 }), false);
  });
});
