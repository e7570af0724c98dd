import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { DeleteObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { openBucket, type Bucket } from '../../../activities/storage/bucket.ts';
import { pruneBucket, type PruneInput, type Temporal } from '../../../cli/weights/prune-bucket.ts';
import { startTestS3, type TestS3 } from '../../activities/s3.ts';

const PREFIX = 'team/';
const DAY_MS = 86_400_000;

describe('pruneBucket', () => {
  let s3: TestS3;
  let bucket: Bucket;
  before(async () => {
    s3 = await startTestS3();
    bucket = openBucket(s3.client, 'glee', PREFIX);
  });
  after(() => s3.stop());
  beforeEach(async () => {
    for (const key of await allKeys()) {
      await s3.client.send(new DeleteObjectCommand({ Bucket: 'glee', Key: key }));
    }
    await bucket.uploads.abortAll('artifacts/', signal());
  });

  const signal = () => AbortSignal.timeout(20_000);
  const put = (name: string, text: string) => bucket.store.writeText(name, text);
  const prune = (input: Partial<PruneInput> = {}, temporal: Partial<Temporal> = {}) =>
    pruneBucket(bucket, { ...nothingRuns, ...temporal }, { dryRun: false, ...input }, signal());

  async function allKeys(): Promise<readonly string[]> {
    const list = await s3.client.send(new ListObjectsV2Command({ Bucket: 'glee' }));
    return (list.Contents ?? []).flatMap(({ Key }) => Key ?? []).filter((key) => !key.endsWith('/'));
  }

  async function openUploads(): Promise<number> {
    return (await s3.client.send(new ListMultipartUploadsCommand({ Bucket: 'glee' }))).Uploads?.length ?? 0;
  }

  /** An artifact with its manifest, and the file that it had before. */
  async function putArtifact(name: string, ageDays = 0): Promise<void> {
    await put(`artifacts/${name}/new/w.pth`, 'new');
    await put(`artifacts/${name}/old/w.pth`, 'older');
    const file = { key: `${PREFIX}artifacts/${name}/new/w.pth`, sha256: 'a'.repeat(64), sizeBytes: 3 };
    const rest = { source: 'x', validator: null, proof: 'pinned', fetchedAt: Date.now() - ageDays * DAY_MS };
    await put(`artifacts/${name}.json`, JSON.stringify({ name, file, ...rest }));
  }

  async function beginDownload(name: string): Promise<void> {
    const upload = await bucket.uploads.begin(`artifacts/${name}/begun/w.pth`, signal());
    await bucket.uploads.putPart(upload, 1, Buffer.from('part'), signal());
    await put(`artifacts/${name}/download.json`, '{}');
  }

  it('removes replaced files, download records and begun uploads, and says how large they were', async () => {
    await putArtifact('swin');
    await beginDownload('swin');
    await beginDownload('given-up');
    const looked = await prune({ dryRun: true });
    const { removed, sizeBytes } = await prune();
    assert.deepEqual(looked.removed, removed);
    assert.deepEqual(removed.map(({ what, object, sizeBytes: size }) => `${what} ${object} ${size}`).sort(), [
      'download record artifacts/given-up/download.json 2',
      'download record artifacts/swin/download.json 2',
      'object artifacts/swin/old/w.pth 5',
      'upload artifacts/given-up/begun/w.pth 4',
      'upload artifacts/swin/begun/w.pth 4',
    ]);
    assert.equal(sizeBytes, 17);
    assert.deepEqual(await allKeys(), ['team/artifacts/swin.json', 'team/artifacts/swin/new/w.pth']);
    assert.equal(await openUploads(), 0);
    assert.deepEqual((await prune()).removed, []);
  });

  it('touches nothing of an artifact whose workflow runs', async () => {
    await putArtifact('swin');
    await beginDownload('swin');
    const before = await allKeys();
    const { removed, kept } = await prune({}, running('artifact/swin'));
    assert.deepEqual(removed, []);
    assert.deepEqual(kept, [{ artifact: 'swin', why: 'it is being prepared' }]);
    assert.deepEqual(await allKeys(), before);
    assert.equal(await openUploads(), 1);
  });

  it('keeps the file that an artifact had for as long as a run continues that was planned with it', async () => {
    await putArtifact('swin');
    await put('runs/lite-1/plan.json', '{"artifacts":[{"name":"swin"}]}');
    const { kept } = await prune({}, running('lite-1'));
    assert.deepEqual(kept, [{ artifact: 'swin', why: 'run lite-1 may use it' }]);
    assert.equal((await prune()).removed.length, 1);
  });

  it("keeps what a run's plan or result names by its key", async () => {
    await put('artifacts/a/1/w.pth', 'of a plan');
    await put('artifacts/b/1/w.pth', 'of a result');
    await put('runs/one/plan.json', JSON.stringify({ weights: { key: `${PREFIX}artifacts/a/1/w.pth` } }));
    const artifact = { key: `${PREFIX}artifacts/b/1/w.pth` };
    await put('runs/two/stage1/result.json', JSON.stringify({ artifact }));
    assert.deepEqual((await prune()).removed, []);
  });

  it('removes whole artifacts only when asked to, when no run names them, and when they are old enough', async () => {
    for (const name of ['used', 'unused', 'young']) await putArtifact(name, name === 'young' ? 1 : 9);
    await put('runs/ended/plan.json', '{"artifacts":[{"name":"used"}]}');
    const unusedBeforeMs = Date.now() - 7 * DAY_MS;
    await prune();
    const files = (name: string) => [`team/artifacts/${name}.json`, `team/artifacts/${name}/new/w.pth`];
    const left = [...files('unused'), ...files('used'), ...files('young'), 'team/runs/ended/plan.json'];
    assert.deepEqual([...(await allKeys())].sort(), left.sort());
    const busy = await prune({ unusedBeforeMs }, { isPreparing: () => Promise.resolve(true) });
    assert.deepEqual([busy.removed, busy.kept.length], [[], 1]);
    const { removed } = await prune({ unusedBeforeMs });
    assert.deepEqual(
      removed.map(({ what, object }) => `${what} ${object}`),
      ['manifest artifacts/unused.json', 'object artifacts/unused/new/w.pth'],
    );
    assert.deepEqual([...(await allKeys())].sort(), left.filter((key) => !key.includes('/unused')).sort());
  });

  it('puts a manifest back when a run was planned with it meanwhile', async () => {
    await putArtifact('late', 9);
    const before = [...(await allKeys())];
    let looks = 0;
    const { removed } = await prune(
      { unusedBeforeMs: Date.now() },
      {
        isRunning: async (id) => {
          looks += id === 'artifact/late' ? 1 : 0;
          if (looks === 1) await put('runs/just-now/plan.json', '{"artifacts":[{"name":"late"}]}');
          return false;
        },
      },
    );
    assert.deepEqual(removed, []);
    assert.deepEqual(await allKeys(), [...before, 'team/runs/just-now/plan.json']);
  });

  it('removes nothing when Temporal does not say, or a plan cannot be read', async () => {
    await putArtifact('swin');
    const before = await allKeys();
    await assert.rejects(prune({}, { isRunning: () => Promise.reject(new Error('away')) }), /away/);
    assert.deepEqual(await allKeys(), before);
    await put('runs/broken/plan.json', '{');
    await assert.rejects(prune(), /team\/runs\/broken\/plan.json is not JSON/);
    assert.equal((await allKeys()).length, before.length + 1);
  });
});

const nothingRuns: Temporal = {
  isRunning: () => Promise.resolve(false),
  isPreparing: () => Promise.resolve(false),
};

function running(...ids: readonly string[]): Temporal {
  return { ...nothingRuns, isRunning: (id) => Promise.resolve(ids.includes(id)) };
}
