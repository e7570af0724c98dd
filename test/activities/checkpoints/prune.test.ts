import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Checkpoint } from '../../../contracts/checkpoints.ts';
import { keys } from '../../../contracts/ids.ts';
import { commitCheckpoint } from '../../../activities/checkpoints/commit.ts';
import { claimHead } from '../../../activities/checkpoints/head.ts';
import { checkpointAt, PEOPLE, pin, unpin } from '../../../activities/checkpoints/pins.ts';
import { findRemovable, prune, type PruneOptions } from '../../../activities/checkpoints/prune.ts';
import { manifestName, takeSnapshot } from '../../../activities/checkpoints/snapshot.ts';
import { intercept, startTestS3, type TestS3 } from '../s3.ts';
import { save, type Save } from './saved.ts';

const forever = new AbortController().signal;
const RUNNING: PruneOptions = { retention: { newest: 2 }, running: true, graceMs: 0 };
const ENDED: PruneOptions = { ...RUNNING, running: false };

describe('prune', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  const stageOf = (run: string) => ({ run, stage: 'stage1' });
  const commit = async (test: TestContext, what: Save): Promise<Checkpoint> =>
    commitCheckpoint(s3.store, await save(test, what), forever);
  const commitAll = async (test: TestContext, run: string, ...iterations: readonly number[]) => {
    const all: Checkpoint[] = [];
    for (const one of iterations) all.push(await commit(test, { run, iterations: one }));
    return all;
  };
  const left = async (run: string) =>
    (await takeSnapshot(s3, stageOf(run), forever)).checkpoints.map(({ iterations }) => iterations);
  const files = async (run: string) =>
    (await s3.objects.listAll(keys.attempts(run, 'stage1'), forever))
      .map(({ name }) => name.split('/').slice(-2).join('/'))
      .filter((name) => name.endsWith('.pth'));

  it('keeps the newest, every so many iterations, those to be evaluated, and removes file and manifest of the others', async (test) => {
    await commitAll(test, 'old', 10, 20, 30, 40, 50);
    const options = { ...RUNNING, retention: { newest: 2, every: 20, at: [30] } };
    const removed = await prune(s3, stageOf('old'), options, forever);
    assert.deepEqual(
      removed.expired.map(({ iterations }) => iterations),
      [10],
    );
    assert.deepEqual(await left('old'), [20, 30, 40, 50]);
    assert.equal((await files('old')).length, 4);
    assert.ok(removed.freedBytes > 0);
  });

  it('only says what it would do when it is asked that', async (test) => {
    await commitAll(test, 'dry', 10, 20, 30);
    const found = await findRemovable(s3, stageOf('dry'), RUNNING, forever);
    assert.equal(found.expired.length, 1);
    assert.deepEqual(await left('dry'), [10, 20, 30]);
  });

  it('keeps two also when it is told to keep fewer: one stands in for a damaged one', async (test) => {
    await commitAll(test, 'few', 10, 20, 30);
    await prune(s3, stageOf('few'), { ...RUNNING, retention: { newest: 0 } }, forever);
    assert.deepEqual(await left('few'), [20, 30]);
  });

  it('keeps what people or another run have pinned, until the last of them lets go', async (test) => {
    const [first] = await commitAll(test, 'pinned', 10, 20, 30, 40);
    assert.ok(first !== undefined);
    assert.equal(await pin(s3, first, PEOPLE, forever), true);
    assert.equal(await pin(s3, first, 'other-run', forever), true);
    await prune(s3, stageOf('pinned'), RUNNING, forever);
    assert.deepEqual(await left('pinned'), [10, 30, 40]);
    await unpin(s3, first, PEOPLE, forever);
    await prune(s3, stageOf('pinned'), RUNNING, forever);
    assert.deepEqual(await left('pinned'), [10, 30, 40]);
    await unpin(s3, first, 'other-run', forever);
    await prune(s3, stageOf('pinned'), RUNNING, forever);
    assert.deepEqual(await left('pinned'), [30, 40]);
  });

  it('does not pin what is gone', async (test) => {
    const [first] = await commitAll(test, 'late-pin', 10, 20, 30);
    assert.ok(first !== undefined);
    await prune(s3, stageOf('late-pin'), RUNNING, forever);
    assert.equal(await pin(s3, first, PEOPLE, forever), false);
    assert.deepEqual((await takeSnapshot(s3, stageOf('late-pin'), forever)).pins, []);
  });

  it('gives way to a pin that comes while it removes, whichever of its requests it comes before', async (test) => {
    for (let nth = 0; nth < 4; nth += 1) {
      const run = `race-${nth}`;
      const [first] = await commitAll(test, run, 10, 20, 30);
      assert.ok(first !== undefined);
      let requests = 0;
      let pinned: Promise<boolean> | undefined;
      const before = async (): Promise<void> => {
        if (requests++ === nth) await (pinned = pin(s3, first, 'other', forever));
      };
      const objects = {
        ...s3.objects,
        remove: async (name: string, signal: AbortSignal) => {
          await before();
          await s3.objects.remove(name, signal);
        },
        listAll: async (folder: string, signal: AbortSignal) => {
          await before();
          return s3.objects.listAll(folder, signal);
        },
      };
      await prune({ ...s3, objects }, stageOf(run), RUNNING, forever);
      const won = await pinned;
      const there = (await s3.objects.find(first.file.key, forever)) !== undefined;
      assert.ok(won !== true || there, `pinned before request ${nth}, and gone all the same`);
      assert.ok(won !== true || (await left(run)).includes(10));
    }
  });

  it('removes nothing that a pin was promised for, whichever requests of the pin it comes between', async (test) => {
    for (let nth = 0; nth < 3; nth += 1) {
      const run = `between-${nth}`;
      const [first] = await commitAll(test, run, 10, 20, 30);
      assert.ok(first !== undefined);
      let requests = 0;
      const before = async (): Promise<void> => {
        if (requests++ === nth) await prune(s3, stageOf(run), RUNNING, forever);
      };
      const objects = {
        ...s3.objects,
        find: async (name: string, signal: AbortSignal) => {
          await before();
          return s3.objects.find(name, signal);
        },
        remove: async (name: string, signal: AbortSignal) => {
          await before();
          await s3.objects.remove(name, signal);
        },
      };
      const won = await pin(
        { ...s3, store: intercept(s3.store, { before }), objects },
        first,
        'other',
        forever,
      );
      const there = (await s3.objects.find(first.file.key, forever)) !== undefined;
      assert.equal(there, won, `pruned before request ${nth}: pinned ${won}, there ${there}`);
      const { pins } = await takeSnapshot(s3, stageOf(run), forever);
      assert.equal(pins.length, won ? 1 : 0);
    }
  });

  it('keeps a file that another name still needs', async (test) => {
    await commitAll(test, 'shared', 10, 20);
    await commit(test, { run: 'shared', iterations: 30, content: 'end' });
    const final = await commit(test, {
      run: 'shared',
      iterations: 30,
      content: 'end',
      name: 'model_final.pth',
    });
    await prune(s3, stageOf('shared'), RUNNING, forever);
    assert.ok((await s3.objects.find(final.file.key, forever)) !== undefined);
    assert.deepEqual(await files('shared'), ['1/model_0000029.pth']);
  });

  it('finds what crashed attempts left, and nothing that the running one may be about to commit', async (test) => {
    await commitAll(test, 'garbage', 10);
    const put = (token: number, name: string) =>
      s3.store.writeText(`${keys.attempt('garbage', 'stage1', token)}/${name}`, 'half');
    await put(1, 'model_0000019.pth');
    await put(1, 'metrics.json');
    await claimHead(s3.store, stageOf('garbage'), 2);
    await put(2, 'model_0000029.pth');
    const begin = (token: number) =>
      s3.uploads.begin(`${keys.attempt('garbage', 'stage1', token)}/model_0000039.pth`, forever);
    await begin(1);
    const current = await begin(2);
    const first = await prune(s3, stageOf('garbage'), RUNNING, forever);
    assert.deepEqual(
      first.garbage.map(({ name }) => name.split('/').at(-1)),
      ['model_0000019.pth'],
    );
    assert.deepEqual(await files('garbage'), ['1/model_0000009.pth', '2/model_0000029.pth']);
    assert.deepEqual(await s3.uploads.list(keys.attempts('garbage', 'stage1'), forever), [current]);
    const young = await prune(s3, stageOf('garbage'), { ...ENDED, graceMs: 60_000 }, forever);
    assert.deepEqual(young.garbage, []);
    await prune(s3, stageOf('garbage'), ENDED, forever);
    assert.deepEqual(await files('garbage'), ['1/model_0000009.pth']);
    assert.deepEqual(await s3.uploads.list(keys.attempts('garbage', 'stage1'), forever), []);
  });

  it('touches nothing where there is no head: no one knows what counts', async (test) => {
    const [one, two, three] = await commitAll(test, 'headless', 10, 20, 30);
    await s3.objects.remove(keys.head('headless', 'stage1'), forever);
    const removed = await prune(s3, stageOf('headless'), ENDED, forever);
    assert.deepEqual([removed.expired, removed.garbage], [[], []]);
    assert.deepEqual(
      await left('headless'),
      [one, two, three].map((c) => c?.iterations),
    );
  });

  it('finds what a crash between manifest and file left', async (test) => {
    const [first] = await commitAll(test, 'between', 10, 20, 30);
    assert.ok(first !== undefined);
    await s3.objects.remove(manifestName(first), forever);
    await claimHead(s3.store, stageOf('between'), 2);
    const { garbage } = await prune(s3, stageOf('between'), RUNNING, forever);
    assert.deepEqual(
      garbage.map(({ name }) => name),
      [first.file.key],
    );
  });

  it('knows a checkpoint by where its file lies, and nothing else', () => {
    const at = (key: string) => checkpointAt(s3, key);
    assert.deepEqual(at('runs/a/stage1/attempts/7/model_0000009.pth'), {
      run: 'a',
      stage: 'stage1',
      token: 7,
      name: 'model_0000009.pth',
    });
    for (const key of [
      'artifacts/x/y.pth',
      'runs/a/stage1/attempts/7/x.pth',
      'runs/a/stage1/model_final.pth',
    ])
      assert.equal(at(key), undefined, key);
  });
});
