import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import {
  hasContent,
  readTextIfThere,
  removeAbandoned,
  sizeIfThere,
  temporaryName,
  writeFileAtomically,
} from '../../../activities/files/atomic-files.ts';
import { isAbandoned, writerMark } from '../../../activities/files/writers.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
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

describe('temporary files of large ones', () => {
  /** A process that has begun to write the path, and continues until it is killed. */
  async function startWriter(path: string) {
    const files = join(packageRoot, 'dist/activities/files/atomic-files.js');
    const program = `import { writeFileSync } from 'node:fs'; import { temporaryName } from '${files}';
      writeFileSync(temporaryName(process.argv[1]), ''); console.log('begun'); setInterval(() => 0, 1000);`;
    const args = ['--input-type=module', '--eval', program, path];
    const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(writer.stdout, 'data');
    return writer;
  }

  it('are removed by the next writer once their own is gone, and never before', async (test) => {
    const folder = await temporaryFolder(test);
    const path = join(folder, 'weights.pth');
    const writer = await startWriter(path);
    const [its] = await readdir(folder);
    const own = temporaryName(path);
    const others = ['weights.pth', 'weights.pth.tmp', 'weights.pth.part', 'other.weights.pth.1-2.tmp'];
    for (const name of others) await writeFile(join(folder, name), '');
    await writeFile(own, '');
    await removeAbandoned(path);
    assert.equal((await readdir(folder)).length, others.length + 2);
    assert.ok((await readdir(folder)).includes(its ?? ''));

    writer.kill('SIGKILL');
    await once(writer, 'exit');
    await removeAbandoned(join(folder, 'other.weights.pth'));
    assert.ok((await readdir(folder)).includes(its ?? ''));
    await removeAbandoned(path);
    assert.deepEqual((await readdir(folder)).sort(), [...others, basename(own)].sort());
    await removeAbandoned(join(folder, 'none/weights.pth'));
  });

  it('of machines and containers whose processes cannot be seen are left alone for a day', async (test) => {
    const path = join(await temporaryFolder(test), 'x.tmp');
    await writeFile(path, '');
    const [place = '', pid = '', start = '', id = ''] = writerMark().split('-');
    const elsewhere = [place.replace(/./, (digit) => (digit === '0' ? '1' : '0')), pid, start, id].join('-');
    const inHours = (hours: number) => Date.now() + hours * 60 * 60 * 1000;
    for (const mark of [elsewhere, '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed']) {
      assert.equal(await isAbandoned(mark, path, inHours(23)), false);
      assert.equal(await isAbandoned(mark, path, inHours(25)), true);
    }
    const here = [place, pid, start, id].join('-');
    assert.equal(await isAbandoned(here, path, inHours(1000)), false);
  });

  it('are told from those of another process that got the same pid', async (test) => {
    const path = join(await temporaryFolder(test), 'x.tmp');
    const [place = '', pid = '', start = '', id = ''] = writerMark().split('-');
    const earlier = [place, pid, String(Number(start) - 1), id].join('-');
    assert.equal(await isAbandoned(earlier, path), true);
  });
});
