import assert from 'node:assert/strict';
import { access, link, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { execa } from 'execa';
import { z } from 'zod';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { startTestS3 } from '../activities/s3.ts';
import { temporaryFolder } from '../fixtures/glee-checkout.ts';
import { until } from '../support/until.ts';

/** By the sandbox's own writer: an EVA-02 of three tensors, a detector, one with a call in it, and a large one. */
const MAKE = `import os, sys
from sandbox_trainer.pickle_writer import Global, Reduce
from sandbox_trainer.torch_file import Padding, Tensor, save
at = lambda name: os.path.join(sys.argv[1], name)
one = lambda *numbers: Tensor.of((len(numbers),), numbers)
save({"model": {"blocks.0.weight": Tensor.of((2, 3), [1, 2, 3, 4, 5, 6]), "blocks.0.rope.freqs": one(7),
                "pos_embed": one(8, 9)}, "epoch": 3}, at("eva.pt"))
save({"model": {"glee.head": one(1, 2, 3), "glee.backbone.stem": one(4), "glee.backbone.net.pos_embed": one(5)}}, at("lite.pth"))
save({"model": {"a": one(1)}, "evil": Reduce(Global("os", "system"), ("touch " + at("marker"),))}, at("evil.pt"))
save({"model": {"large": Padding(int(sys.argv[2]), 1)}}, at("large.pt"))`;

const shownSchema = z.object({
  file: z.string(),
  tensors: z.number(),
  parameters: z.number(),
  list: z.array(z.object({ name: z.string(), shape: z.array(z.number()), dtype: z.string() })),
});

describe('glee weights', () => {
  async function workplace(test: TestContext, largeBytes = 1) {
    const folder = await temporaryFolder(test);
    const cwd = join(packageRoot, 'sandbox/glee');
    await execa('python3', ['-c', MAKE, folder, String(largeBytes)], { cwd });
    const glee = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
      execa(process.execPath, [join(packageRoot, 'dist/cli/glee.js'), 'weights', ...args], {
        cwd: folder,
        env: { NO_COLOR: '1', ...env },
        reject: false,
        timeout: 60_000,
      });
    /** Names, shapes and types, as the command shows them. */
    const show = async (file: string, env?: Readonly<Record<string, string>>) => {
      const { stdout, stderr, exitCode } = await glee(['show', file, '--json'], env);
      assert.equal(exitCode, 0, stderr);
      return shownSchema.parse(JSON.parse(stdout));
    };
    return { folder, glee, show, at: (name: string) => join(folder, name) };
  }

  it('show lists the tensors of a file, in a table or as JSON', async (test) => {
    const { glee, show } = await workplace(test);
    const { stdout, exitCode } = await glee(['show', 'eva.pt']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /blocks\.0\.weight .*2 × 3 .*float64 .*48 B/);
    assert.match(stdout, /eva\.pt: [\d.]+ kB; 3 tensors under 'model', 9 parameters, 72 B/);
    const { list, ...counts } = await show('eva.pt');
    assert.deepEqual(counts, { file: 'eva.pt', tensors: 3, parameters: 9 });
    assert.deepEqual(list[0], { name: 'blocks.0.weight', shape: [2, 3], dtype: 'float64' });
  });

  it('show reads a checkpoint in S3, and says what is wrong with its address', async (test) => {
    const { show, glee, at } = await workplace(test);
    const s3 = await startTestS3();
    test.after(() => s3.stop());
    const { env } = s3;
    const Body = await readFile(at('eva.pt'));
    await s3.client.send(new PutObjectCommand({ Bucket: 'glee', Key: 'a/eva.pt', Body }));
    const [there, here] = [await show('s3://glee/a/eva.pt', env), await show('eva.pt')];
    assert.equal(there.file, 's3://glee/a/eva.pt');
    assert.deepEqual({ ...there, file: '' }, { ...here, file: '' });
    for (const [address, message] of [
      ['s3://glee/none.pt', /s3:\/\/glee\/none\.pt|key=none\.pt/],
      ['s3://no-such-bucket/a.pt', /no-such-bucket/],
      ['s3://glee', /'s3:\/\/glee' is not of the form s3:\/\/bucket\/key/],
    ] as const) {
      const { stderr, stdout, exitCode } = await glee(['show', address], env);
      assert.deepEqual([exitCode, stdout], [1, ''], stderr);
      assert.match(stderr, message);
      assert.ok(stderr.split('\n').length <= 3, stderr);
    }
  });

  it("convert does by default what GLEE's script does, and says what it did", async (test) => {
    const { glee, show } = await workplace(test);
    const { stdout, exitCode } = await glee(['convert', 'eva.pt', 'out.pth']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^out\.pth: 2 tensors, 8 parameters, [\d.]+ k?B; 1 left out$/);
    const { list } = await show('out.pth');
    assert.deepEqual(
      list.map(({ name }) => name),
      ['net.blocks.0.weight', 'net.pos_embed'],
    );
    const renamed = await glee([
      'convert',
      'eva.pt',
      'out.pth',
      '--drop',
      'pos',
      'freqs',
      '--prefix',
      '',
      '--json',
    ]);
    const report = z
      .object({ file: z.string(), dropped: z.array(z.string()) })
      .parse(JSON.parse(renamed.stdout));
    assert.deepEqual(report, { file: 'out.pth', dropped: ['blocks.0.rope.freqs', 'pos_embed'] });
    assert.deepEqual((await show('out.pth')).tensors, 1);
  });

  it('merge takes a part from another file, and tells what does not fit', async (test) => {
    const { glee, show } = await workplace(test);
    const backbone = ['--except', 'glee.backbone.', '--as', 'glee.backbone.net.'];
    const { stdout, stderr, exitCode } = await glee(['merge', 'lite.pth', 'eva.pt', 'out.pth', ...backbone]);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /1 tensors, 3 parameters from lite\.pth/);
    assert.match(stdout, /3 tensors, 9 parameters from eva\.pt/);
    assert.match(stdout, /2 tensors of lite\.pth left out, 1 of them replaced/);
    assert.match(stdout, /doesn't fit by shape: glee\.backbone\.net\.pos_embed was 1 and is 2/);
    const names = (await show('out.pth')).list.map(({ name }) => name);
    const eva = ['blocks.0.weight', 'blocks.0.rope.freqs', 'pos_embed'].map(
      (name) => `glee.backbone.net.${name}`,
    );
    assert.deepEqual(names, ['glee.head', ...eva]);
    const json = await glee([
      'merge',
      'lite.pth',
      'eva.pt',
      'out.pth',
      ...backbone,
      '--under',
      'pos_',
      '--json',
    ]);
    const report = z.object({ fromOther: z.object({ tensors: z.number() }), replaced: z.number() });
    assert.equal(report.parse(JSON.parse(json.stdout)).fromOther.tensors, 1);
  });

  it('refuses what cannot be read or written, in a line, with status 1, and leaves nothing', async (test) => {
    const { folder, glee, at } = await workplace(test);
    const damaged = await readFile(at('eva.pt'));
    const data = damaged.indexOf(Buffer.from(new Float64Array([8, 9]).buffer));
    damaged[data] = 1;
    await writeFile(at('damaged.pt'), damaged);
    await writeFile(at('cut.pt'), damaged.subarray(0, 700));
    await writeFile(at('page.pt'), '<html>Sign in</html>');
    await link(at('eva.pt'), at('linked.pt'));
    const before = await readdir(folder);
    const under = ['--except', 'glee.backbone.'];
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['convert', 'damaged.pt', 'out.pth'], /damaged\.pt: .*data\/2 is damaged: its CRC-32 should be/],
      [['convert', 'cut.pt', 'out.pth'], /cut\.pt/],
      [['show', 'page.pt'], /page\.pt/],
      [['show', 'none.pt'], /none\.pt: there is no such file or folder/],
      [['convert', 'none.pt', 'out.pth'], /none\.pt: there is no such file or folder/],
      [['convert', 'eva.pt', 'nowhere/out.pth'], /nowhere\/out\.pth: there is no such file or folder/],
      [['convert', 'evil.pt', 'out.pth'], /evil\.pt: .*(os|posix)\.system/],
      [['show', 'evil.pt'], /evil\.pt: .*(os|posix)\.system/],
      [['convert', 'eva.pt', 'eva.pt'], /eva\.pt is the file that would be read: name another/],
      [['convert', 'eva.pt', './linked.pt'], /linked\.pt is the file that would be read: name another/],
      [['convert', 'eva.pt', 'out.pth', '--drop', 'e'], /eva\.pt: nothing is left of its 3 tensors/],
      [['merge', 'lite.pth', 'eva.pt', 'eva.pt', ...under], /eva\.pt is the file that would be read/],
      [['merge', 'lite.pth', 'none.pt', 'out.pth', ...under], /none\.pt: there is no such file/],
      [['merge', 'lite.pth', 'eva.pt', 'out.pth'], /--except/],
    ];
    for (const [args, message] of cases) {
      const { stderr, stdout, exitCode } = await glee(args);
      assert.deepEqual([exitCode, stdout], [1, ''], `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n +at |\.tmp/);
    }
    assert.deepEqual(await readdir(folder), before);
    await assert.rejects(access(at('marker')));
  });

  it('convert that is interrupted leaves nothing, and what a killed one leaves is removed by the next', async (test) => {
    const { folder, glee } = await workplace(test, 1 << 29);
    const before = await readdir(folder);
    const isWriting = async () => (await readdir(folder)).some((name) => name.endsWith('.tmp'));
    const interrupted = glee(['convert', 'large.pt', 'out.pth']);
    await until('the conversion to write', isWriting);
    interrupted.kill('SIGINT');
    assert.equal((await interrupted).exitCode, 130);
    assert.deepEqual(await readdir(folder), before);

    const killed = glee(['convert', 'large.pt', 'out.pth']);
    await until('the conversion to write', isWriting);
    killed.kill('SIGKILL');
    assert.equal((await killed).signal, 'SIGKILL');
    assert.ok(!(await readdir(folder)).includes('out.pth'));
    assert.equal((await glee(['convert', 'large.pt', 'out.pth'])).exitCode, 0);
    assert.deepEqual((await readdir(folder)).sort(), [...before, 'out.pth'].sort());
  });
});
