import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { nameUnreadable } from '../../../activities/storage/name-unreadable.ts';
import { readObject, stageResultSchema } from '../../../activities/storage/schemas.ts';
import { startTestS3, type TestS3 } from '../s3.ts';

const KEY = 'runs/lite-1/stage3/result.json';

let s3: TestS3;
before(async () => (s3 = await startTestS3()));
after(() => s3.stop());

test('an object that stays unreadable fails its activity by name, at the third attempt', async () => {
  const artifact = {
    ...{ name: 'a', bucket: 'b', key: 'runs/../../x', sha256: 'a'.repeat(64), sizeBytes: 1 },
    ...{ iterations: 1, configFile: 'c' },
  };
  const climbing = { stage: 'stage3', artifact, inputs: 'a'.repeat(64), attempts: 1, iterationsRun: 1 };
  const valid = { ...climbing, artifact: { ...artifact, key: 'runs/x..y' } };
  await s3.store.writeText(KEY, JSON.stringify(valid));
  await readObject(s3.store, KEY, stageResultSchema);
  for (const junk of ['', '{"stage":', 'null', '['.repeat(100_000), JSON.stringify(climbing)]) {
    await s3.store.writeText(KEY, junk);
    const read = (attempt: number) =>
      nameUnreadable(attempt, () => readObject(s3.store, KEY, stageResultSchema));
    for (const attempt of [1, 2]) await assert.rejects(read(attempt), { name: 'UnreadableObject' });
    for (const attempt of [3, 40])
      await assert.rejects(read(attempt), {
        type: 'StorageRefused',
        nonRetryable: true,
        message: /result\.json is not .*: put the object back as it was, and start again$/s,
      });
  }
});

test('all else passes through', async () => {
  assert.equal(await nameUnreadable(9, () => Promise.resolve(3)), 3);
  await assert.rejects(
    nameUnreadable(9, () => Promise.reject(new RangeError('x'))),
    RangeError,
  );
});
