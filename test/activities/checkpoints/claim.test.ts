import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Checkpoint, GoBack } from '../../../contracts/checkpoints.ts';
import { claimStage } from '../../../activities/checkpoints/claim.ts';
import { commitCheckpoint } from '../../../activities/checkpoints/commit.ts';
import { claimHead, readHead } from '../../../activities/checkpoints/head.ts';
import { manifestName } from '../../../activities/checkpoints/snapshot.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { save } from './saved.ts';

const forever = new AbortController().signal;

describe('claimStage', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  const stageOf = (run: string) => ({ run, stage: 'stage1' });
  const claim = (run: string, token: number, damaged: readonly string[] = [], goBack?: GoBack) =>
    claimStage(s3, stageOf(run), token, { damaged, ...(goBack && { goBack }) }, forever);
  const commit = async (test: TestContext, run: string, iterations: number, token = 1): Promise<Checkpoint> =>
    commitCheckpoint(s3.store, await save(test, { run, iterations, token }), forever);
  const remove = ({ file }: Checkpoint) => s3.objects.remove(file.key, forever);

  it('begins with nothing where there is nothing', async () => {
    assert.deepEqual(await claim('new', 1), { checkpoint: null });
  });

  it('continues from what the head names, also when its manifest is gone', async (test) => {
    await commit(test, 'whole', 10);
    const newest = await commit(test, 'whole', 20);
    await s3.objects.remove(manifestName(newest), forever);
    assert.deepEqual(await claim('whole', 2), { checkpoint: newest });
  });

  it('goes back to the newest whole one before, and says so, when the file of the newest is gone', async (test) => {
    await commit(test, 'gone', 10);
    const before = await commit(test, 'gone', 20);
    const newest = await commit(test, 'gone', 30);
    await remove(newest);
    assert.deepEqual(await claim('gone', 2), { checkpoint: before, insteadOf: newest });
    assert.deepEqual(await readHead(s3.store, stageOf('gone')), { token: 2, checkpoint: before });
    assert.deepEqual(await claim('gone', 2), { checkpoint: before }, 'asked again, it has done so');
    const again = await commit(test, 'gone', 30, 2);
    assert.deepEqual((await readHead(s3.store, stageOf('gone')))?.checkpoint, again);
  });

  it('goes back when the file has another length, and past several that will not do', async (test) => {
    const oldest = await commit(test, 'short', 10);
    const middle = await commit(test, 'short', 20);
    const newest = await commit(test, 'short', 30);
    await s3.store.writeText(newest.file.key, 'short');
    await remove(middle);
    assert.deepEqual(await claim('short', 2), { checkpoint: oldest, insteadOf: newest });
  });

  it('goes back when a host has found the newest to be damaged, also under a second name', async (test) => {
    const before = await commit(test, 'flipped', 20);
    const numbered = await save(test, { run: 'flipped', iterations: 30, content: 'the end' });
    const final = await save(test, {
      run: 'flipped',
      iterations: 30,
      content: 'the end',
      name: 'model_final.pth',
    });
    await commitCheckpoint(s3.store, numbered, forever);
    const newest = await commitCheckpoint(s3.store, final, forever);
    assert.deepEqual(await claim('flipped', 2, [newest.file.key]), { checkpoint: before, insteadOf: newest });
  });

  it('goes back by one when it is told to, once for each attempt, and never on what was left', async (test) => {
    const oldest = await commit(test, 'diverged', 10);
    const middle = await commit(test, 'diverged', 20);
    const newest = await commit(test, 'diverged', 30);
    const back = () => claim('diverged', 2, [], { kind: 'one' });
    assert.deepEqual(await back(), { checkpoint: middle, insteadOf: newest });
    assert.deepEqual(await back(), { checkpoint: middle }, 'asked again, it has done so');
    const better = await commit(test, 'diverged', 40, 2);
    await remove(better);
    // Not to 30, which led astray.
    assert.deepEqual(await claim('diverged', 3), { checkpoint: middle, insteadOf: better });
    assert.deepEqual(await claim('diverged', 4, [], { kind: 'one' }), {
      checkpoint: oldest,
      insteadOf: middle,
    });
  });

  it('goes back to where a person says, to the very beginning only when asked for it', async (test) => {
    const oldest = await commit(test, 'person', 10);
    await commit(test, 'person', 20);
    const newest = await commit(test, 'person', 30);
    const to = (token: number, iterations: number) => claim('person', token, [], { kind: 'to', iterations });
    assert.deepEqual(await to(2, 19), { checkpoint: oldest, insteadOf: newest });
    assert.deepEqual(await to(3, 5), { checkpoint: oldest }, 'nothing is that old, so it stays');
    assert.deepEqual(await to(4, 0), { checkpoint: null, insteadOf: oldest });
    assert.deepEqual(await claim('person', 5), { checkpoint: null });
    const first = await commit(test, 'person', 5, 5);
    assert.deepEqual(await claim('person', 6), { checkpoint: first });
  });

  it('does not start again in silence when none is whole', async (test) => {
    const newest = await commit(test, 'none', 10);
    await remove(newest);
    await assert.rejects(claim('none', 2), {
      type: 'NoGoodCheckpoint',
      message: /glee checkpoints push.*head\.json/,
    });
    assert.deepEqual(await readHead(s3.store, stageOf('none')), { token: 2, checkpoint: newest });
  });

  it('leaves the head alone when a newer attempt has the stage', async (test) => {
    const newest = await commit(test, 'newer', 10);
    await claimHead(s3.store, stageOf('newer'), 3);
    await assert.rejects(claim('newer', 2), { type: 'Superseded' });
    assert.deepEqual(await readHead(s3.store, stageOf('newer')), { token: 3, checkpoint: newest });
  });
});
