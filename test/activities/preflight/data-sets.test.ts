import assert from 'node:assert/strict';
import { readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { execa } from 'execa';
import { prefixProblem } from '../../../activities/preflight/json-prefix.ts';
import type { HostCheck } from '../../../contracts/health.ts';
import { writeInto } from '../../fixtures/glee-checkout.ts';
import { checkOf, CONFIG, lookAt, makeCheckedHost, type TestHost } from './hosts.ts';

const COCO = 'coco/annotations/instances_train2017.json';

const dataOf = async (host: TestHost): Promise<HostCheck> => {
  // As on a host with GPUs, but without asking them.
  const settings = { ...host.settings, pretend: false };
  return checkOf(await lookAt({ ...host, settings }), 'data');
};

/** Annotations of so many images, of which all are there; each takes half a KiB. */
async function writeImages(host: TestHost, count: number): Promise<void> {
  const url = `http://example/${'x'.repeat(400)}`;
  const images = Array.from({ length: count }, (_, id) => ({ id, file_name: `${id}.jpg`, url, height: 480 }));
  await writeInto(host.settings.datasets, COCO, JSON.stringify({ info: {}, images, annotations: [] }));
  for (const { file_name } of images)
    await writeInto(host.settings.datasets, `coco/train2017/${file_name}`, '');
}

describe('the data sets of a stage', () => {
  it('fail with the file that is not there, and what to do; the host is not to blame', async (t) => {
    const host = await makeCheckedHost(t);
    await rm(join(host.settings.datasets, COCO));
    const data = await dataOf(host);
    assert.deepEqual([data.outcome, data.hostFault, data.inconclusive], ['failed', undefined, undefined]);
    assert.equal(
      data.said,
      `coco_2017_train: ${join(host.settings.datasets, COCO)} is not there; put it there, or mend DETECTRON2_DATASETS`,
    );
  });

  for (const [what, content, problem] of [
    ['empty', '', /it is empty/],
    ['cut off', '{"images": [{"file_name": "1.jpg"}], "annotations": [{"id": 1}', /it is cut off/],
    ['an error page', '<html>404</html>', /does not begin as JSON: "<html>404<\/html>"/],
    ['no JSON a little later', '{"images": [}', /no JSON from byte 12/],
  ] as const) {
    it(`fail when their annotations are ${what}`, async (t) => {
      const host = await makeCheckedHost(t);
      await writeInto(host.settings.datasets, COCO, content);
      const data = await dataOf(host);
      assert.equal(data.outcome, 'failed');
      assert.match(data.said, problem);
      assert.match(data.said, /fetch it again/);
    });
  }

  it('fail with the remedy when their annotations begin with a byte order mark', async (t) => {
    const host = await makeCheckedHost(t);
    await writeInto(host.settings.datasets, COCO, '\uFEFF{"images":[],"annotations":[],"categories":[]}');
    const { outcome, said } = await dataOf(host);
    assert.equal(outcome, 'failed');
    const path = join(host.settings.datasets, COCO);
    const [, command = ''] =
      /byte order mark, which Python's json refuses; remove it: (sed .*)$/.exec(said) ?? [];
    assert.ok(said.includes(path));
    await execa('sh', ['-c', command]);
    assert.equal((await readFile(path, 'utf8'))[0], '{');
  });

  it('fail when their annotations are no UTF-8, anywhere that is looked at', async (t) => {
    const host = await makeCheckedHost(t);
    const images = 'x'.repeat(100_000);
    const content = Buffer.from(`{"images":[{"file_name":"1.jpg","é":"${images}"}],"annotations":[]}`);
    await writeFile(join(host.settings.datasets, COCO), content);
    assert.equal((await dataOf(host)).outcome, 'passed');
    content[50_000] = 0xc1;
    await writeFile(join(host.settings.datasets, COCO), content);
    assert.match((await dataOf(host)).said, /it is not UTF-8/);
  });

  it('are looked at in a moment, whatever the file holds', async (t) => {
    const host = await makeCheckedHost(t);
    for (const piece of [' ', '"file_name"  :', '"file_name":[ ', '"file_name":"\\', '"file_names" : [   ']) {
      const text = `{"a":"b","c": ${piece.repeat(700_000 / piece.length)}}`;
      await writeInto(host.settings.datasets, COCO, text);
      let longest = 0;
      let last = performance.now();
      const timer = setInterval(() => {
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
      }, 1);
      await dataOf(host);
      clearInterval(timer);
      assert.ok(longest < 500, `${piece}: the event loop stood for ${longest} ms`);
    }
  });

  it('fail when a large file of them is cut off', async (t) => {
    const host = await makeCheckedHost(t);
    await writeImages(host, 2000);
    await truncate(join(host.settings.datasets, COCO), 700_000);
    assert.match((await dataOf(host)).said, /does not end with '}' after its 700000 bytes: it is cut off/);
  });

  it('fail when a crash left zeros in the middle of a large file', async (t) => {
    const host = await makeCheckedHost(t);
    const path = join(host.settings.datasets, COCO);
    await writeFile(path, `{"annotations": [${'1,'.repeat(200_000)}`);
    await truncate(path, 3_000_000);
    await writeFile(path, `${'1,'.repeat(200_000)}1]}`, { flag: 'a' });
    assert.match((await dataOf(host)).said, /zeros in its middle/);
  });

  it('fail when the folder of images is empty or not there', async (t) => {
    const host = await makeCheckedHost(t);
    await rm(join(host.settings.datasets, 'coco/train2017/1.jpg'));
    assert.match((await dataOf(host)).said, /coco\/train2017 has no images/);
    await rm(join(host.settings.datasets, 'coco/train2017'), { recursive: true });
    assert.match((await dataOf(host)).said, /coco\/train2017 has no images/);
  });

  it('fail when images are missing that the annotations refer to', async (t) => {
    const host = await makeCheckedHost(t);
    await writeImages(host, 2000);
    assert.match((await dataOf(host)).said, /1[0-9] of their images sampled/);
    await rm(join(host.settings.datasets, 'coco/train2017/1999.jpg'));
    assert.match((await dataOf(host)).said, /1 of 1\d sampled images are not there, as .*1999\.jpg/);
  });

  it('are checked again when the file has changed, and not before', async (t) => {
    const host = await makeCheckedHost(t);
    const path = join(host.settings.datasets, COCO);
    const size = Buffer.byteLength(JSON.stringify({ images: [{ file_name: '1.jpg' }], annotations: [] }));
    await utimes(path, 1000, 1000);
    await dataOf(host);
    await writeFile(path, 'x'.repeat(size));
    await utimes(path, 1000, 1000);
    assert.equal((await dataOf(host)).outcome, 'passed');
    await utimes(path, 1001, 1001);
    assert.equal((await dataOf(host)).outcome, 'failed');
  });

  it('are found by the address of an image, as LVIS names them', async (t) => {
    const host = await makeCheckedHost(t);
    const { checkout, datasets } = host.settings;
    await writeInto(checkout, CONFIG, 'DATASETS: { TRAIN: "(\'lvis_v1_train\',)", TEST: "()" }\n');
    const images = [{ coco_url: 'http://images.cocodataset.org/train2017/1.jpg' }];
    await writeInto(datasets, 'lvis/lvis_v1_train.json', JSON.stringify({ images }));
    assert.equal((await dataOf(host)).outcome, 'passed');
    await rm(join(datasets, 'coco/train2017/1.jpg'));
    assert.match((await dataOf(host)).said, /1 of 1 sampled images .*coco\/train2017\/1\.jpg/);
  });

  it('are those of the plan over those of the config, and an unknown one is named', async (t) => {
    const host = await makeCheckedHost(t);
    const overrides = { DATASETS: { TRAIN: ['coco_2017_train', 'my_own'], TEST: ['coco_2017_val'] } };
    const plan = { ...host.input.plan, overrides };
    const data = await dataOf({ ...host, input: { ...host.input, plan } });
    assert.match(data.said, /coco_2017_val: .*instances_val2017.json is not there/);
    assert.match(data.said, /not checked, because their paths are unknown: my_own/);
    const unknown = { ...plan, overrides: { DATASETS: { TRAIN: ['my_own'], TEST: [] } } };
    assert.equal((await dataOf({ ...host, input: { ...host.input, plan: unknown } })).outcome, 'skipped');
  });

  it('are looked for where the plan declares them', async (t) => {
    const host = await makeCheckedHost(t);
    const own = { name: 'my_own', annotations: 'mine/train.json', images: 'mine', task: 'mine' };
    const overrides = { DATASETS: { TRAIN: ['my_own'], TEST: [] } };
    const plan = { ...host.input.plan, overrides, datasets: [own] };
    const declaring = { ...host, input: { ...host.input, plan } };
    assert.match((await dataOf(declaring)).said, /my_own: .*mine\/train\.json is not there/);
    await writeInto(host.settings.datasets, own.annotations, '{"images": [{"file_name": "1.jpg"}]}');
    await writeInto(host.settings.datasets, 'mine/1.jpg', '');
    assert.equal((await dataOf(declaring)).outcome, 'passed');
  });

  it('fail with the config where that cannot be read', async (t) => {
    const host = await makeCheckedHost(t);
    await rm(join(host.settings.checkout, CONFIG));
    const data = await dataOf(host);
    assert.deepEqual([data.outcome, data.inconclusive], ['failed', undefined]);
    assert.match(data.said, /stage1\.yaml.*cannot be read/);
  });
});

describe('prefixProblem', () => {
  const whole = '{"a": [1, -2.5e+3, true, null, NaN, "x\\"y", {}], "b": {"c": []}}';
  it('finds nothing wrong with any beginning of JSON', () => {
    for (let end = 1; end <= whole.length; end++)
      assert.equal(prefixProblem(whole.slice(0, end)), undefined, whole.slice(0, end));
  });
  for (const text of [
    '',
    '7',
    '{1: 2',
    '{"a" 1',
    '{"a": 1 2',
    '[1,,',
    '[1}',
    '{"a": }',
    '{} {',
    '[\0\0\0',
    '{"a": tru,',
    '{"a": 01,',
    '{"a": "\u0001"}',
    '{"a": "\\x"}',
    '{"a": "\\u12g4"}',
    '{"a":\u00a01}',
    '['.repeat(1000),
  ])
    it(`finds ${JSON.stringify(text)} wrong`, () => assert.notEqual(prefixProblem(text), undefined));

  it('takes a file that holds a whole text to be whole', () => {
    assert.equal(prefixProblem(whole, true), undefined);
    assert.equal(prefixProblem('[1, 2', true), 'it is cut off');
  });

  it('takes time that grows with the text alone, whatever it holds', () => {
    const pieces = [
      ' ',
      '\t',
      '[',
      '{"',
      '"',
      '\\',
      '"a',
      '1',
      '-',
      '[ ',
      'e',
      '9e',
      't',
      '\u0000',
      '{"a":[',
    ];
    for (const head of ['[', '{', '{"a":', '["', '[1', '']) {
      for (const piece of pieces) {
        const begun = performance.now();
        prefixProblem(head + piece.repeat((256 << 10) / piece.length) + '@', true);
        const ms = performance.now() - begun;
        assert.ok(ms < 300, `${JSON.stringify(head + piece)}: ${ms} ms`);
      }
    }
  });
});
