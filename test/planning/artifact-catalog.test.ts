import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { loadCatalogue, withIngredients } from '../../planning/artifact-catalog.ts';
import { ConfigError } from '../../planning/reading/problems.ts';
import { temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';

test("the shipped catalogue has all files of the tutorial and GLEE's zoo, where GLEE expects them", async (t) => {
  const catalogue = await loadCatalogue(await temporaryFolder(t));
  const paths = new Set([...catalogue.values()].map(({ path }) => path));
  const zoo = ['Lite', 'Plus', 'Pro'].flatMap((variant) =>
    ['pretrain', 'joint', 'scaleup'].map((stage) => `model_zoo/GLEE_${variant}_${stage}.pth`),
  );
  const tutorial = [
    'projects/GLEE/clip_vit_base_patch32/pytorch_model.bin',
    'weights/converted_maskdino_r50_withoutclip.pth',
    'weights/swin_large_patch4_window12_384_22k.pth',
    'weights/eva02_L_pt_m38m_p14to16.pt',
    'weights/converted_EVA02_m38m_psz14to16.pth',
  ];
  for (const path of [...zoo, ...tutorial]) assert.ok(paths.has(path), path);
});

test("the user's artifacts are added, and go before the package's under the same name", async (t) => {
  const catalogue = await load(
    t,
    `artifacts:
  mine: { path: weights/mine.pth, download: s3://lab/mine.pth, sha256: ${'a'.repeat(64)} }
  swin-large: { path: weights/swin.pth, download: [https://one.example/swin.pth, https://two.example/swin.pth] }
`,
  );
  assert.deepEqual(catalogue.get('mine')?.recipe, {
    how: 'download',
    sources: ['s3://lab/mine.pth'],
    sha256: 'a'.repeat(64),
  });
  assert.equal(catalogue.get('swin-large')?.path, 'weights/swin.pth');
  assert.ok(catalogue.has('eva02-large'));
});

test('an artifact comes after what it is made from, and each only once', async (t) => {
  const catalogue = await loadCatalogue(await temporaryFolder(t));
  const names = withIngredients(['custom-backbone-start', 'eva02-large-converted'], catalogue);
  assert.deepEqual(
    names.map(({ name }) => name),
    ['glee-lite-joint', 'eva02-large', 'eva02-large-converted', 'custom-backbone-start'],
  );
});

for (const [what, entry, message] of [
  ['no way to have it', '{ path: a.pth }', /:2: artifacts\.mine: must say how it is had, in one way/],
  [
    'two ways to have it',
    '{ path: a.pth, download: s3://lab/a.pth, trained: { run: r, stage: stage1 } }',
    /must say how it is had, in one way/,
  ],
  [
    'an ingredient that no one has',
    '{ path: a.pth, convert: { from: eva02-larg } }',
    /is made from 'eva02-larg', which is not in the catalogue; did you mean 'eva02-large'\?/,
  ],
  ['itself as an ingredient', '{ path: a.pth, convert: { from: mine } }', /is made from itself/],
  [
    'a path out of the checkout',
    '{ path: ../a.pth, download: s3://lab/a.pth }',
    /leads out of the GLEE checkout/,
  ],
  [
    'a misspelt key',
    '{ path: a.pth, dowload: s3://lab/a.pth }',
    /dowload: unknown key; did you mean 'download'\?/,
  ],
  [
    'an address of no known kind',
    '{ path: a.pth, download: "ftp://x/a.pth" }',
    /is no address of a kind that is known/,
  ],
  [
    'trust in bytes that may change',
    '{ path: a.pth, download: s3://lab/a.pth, trusted: true }',
    /trusted without a sha256/,
  ],
  [
    'plain HTTP without a checksum',
    '{ path: a.pth, download: http://lab/a.pth }',
    /not encrypted.*give its sha256/,
  ],
  ['a checksum that is none', '{ path: a.pth, download: s3://lab/a.pth, sha256: abc }', /is not a SHA-256/],
  [
    'a checksum for what is made here',
    `{ path: a.pth, convert: { from: eva02-large }, sha256: ${'a'.repeat(64)} }`,
    /only goes with download/,
  ],
] as const) {
  test(`a catalogue with ${what} is refused, with file and key`, async (t) => {
    await assert.rejects(load(t, `artifacts:\n  mine: ${entry}\n`), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, message);
      assert.match(error.message, /artifacts\.yaml(:2)?: artifacts\.mine/);
      return true;
    });
  });
}

test('a secret in an address is refused and not repeated', async (t) => {
  for (const address of [
    'https://user:hunter2@example.com/a.pth',
    'https://example.com/a.pth?X-Amz-Signature=hunter2',
    'https://example.com/a.pth?download=true&token=hunter2',
  ]) {
    await assert.rejects(
      load(t, `artifacts:\n  mine: { path: a.pth, download: "${address}" }\n`),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, /an address on example\.com has a secret in it/);
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      },
    );
  }
});

async function load(test: TestContext, yaml: string) {
  const directory = await temporaryFolder(test);
  await writeInto(directory, 'artifacts.yaml', yaml);
  return loadCatalogue(directory);
}
