import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createS3MultipartUploads } from '../../../activities/storage/s3-multipart-uploads.ts';
import { createS3StoredObjects } from '../../../activities/storage/s3-stored-objects.ts';
import { makeArtifact, type Making } from '../../../activities/weights/make-artifact.ts';
import { readCheckpoint } from '../../../activities/torch-file/checkpoint.ts';
import { planConversion } from '../../../activities/torch-file/convert.ts';
import { openS3Source } from '../../../activities/torch-file/s3-source.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import type { PreparedArtifact } from '../../../contracts/weights.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { keysOf, sha256, storedParts } from './downloads.ts';

const forever = new AbortController().signal;
const recipe = { how: 'convert', from: 'raw', drop: ['bias'], prefix: 'net.' } as const;
const artifact = { name: 'made', path: 'weights/made.pth', recipe };

describe('makeArtifact', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  const tools = () => ({
    store: s3.store,
    uploads: createS3MultipartUploads(s3.client, 'glee', ''),
    objects: createS3StoredObjects(s3.client, 'glee', ''),
  });

  /** Weights of the stand-in, in S3. */
  async function ingredient(test: Parameters<typeof temporaryFolder>[0]): Promise<PreparedArtifact> {
    const folder = await temporaryFolder(test);
    await cp(join(packageRoot, 'sandbox/glee'), folder, { recursive: true });
    execFileSync('python3', [join(folder, 'make_weights.py'), folder]);
    const path = join(folder, 'weights/converted_EVA02_m38m_psz14to16.pth');
    const raw = await readFile(path);
    await s3.store.upload('raw.pth', path, forever);
    const file = { name: 'raw', bucket: 'glee', key: 'raw.pth', sha256: sha256(raw), sizeBytes: raw.length };
    return { ...file, proof: 'pinned', origin: 'a test', reused: false };
  }

  function making(from: PreparedArtifact): Making {
    const open = () => openS3Source({ client: s3.client, bucket: 'glee', key: from.key }, forever);
    const plan = async () => (await planConversion(await open(), recipe, forever)).file;
    return { artifact, ingredients: [from], origin: 'convert raw', plan };
  }

  it('streams from S3 to S3, aborts what a killed worker had begun, and does it once', async (test) => {
    const begun = await tools().uploads.begin('artifacts/made/killed/made.pth', forever);
    await tools().uploads.putPart(begun, 1, Buffer.alloc(5 << 20), forever);
    assert.equal(await storedParts(s3, 'made'), 1);
    const from = await ingredient(test);
    const { manifest, reused } = await makeArtifact(tools(), making(from), forever, () => undefined);
    assert.deepEqual([reused, manifest.proof], [false, 'made']);
    assert.equal(await storedParts(s3, 'made'), 0);
    const { key } = manifest.file;
    const { tensors } = await readCheckpoint(
      await openS3Source({ client: s3.client, bucket: 'glee', key }, forever),
      forever,
    );
    assert.deepEqual(
      tensors.map(({ name }) => name),
      ['net.net.patch_embed.proj.weight'],
    );
    const again = await makeArtifact(tools(), making(from), forever, () => undefined);
    assert.deepEqual(again, { manifest, reused: true });
    assert.deepEqual(await keysOf(s3, 'made'), [key]);
  });

  it('makes it again when what it is made from has changed', async (test) => {
    const from = await ingredient(test);
    const changed = { ...from, sha256: 'f'.repeat(64) };
    assert.equal((await makeArtifact(tools(), making(from), forever, () => undefined)).reused, true);
    assert.equal((await makeArtifact(tools(), making(changed), forever, () => undefined)).reused, false);
  });
});
