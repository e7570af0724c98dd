import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Checkpoint } from '../../../contracts/checkpoints.ts';
import { keys } from '../../../contracts/ids.ts';
import type { ObjectStore } from '../../../activities/storage/ports/object-store.ts';
import { claimHead, commitHead, readHead } from '../../../activities/checkpoints/head.ts';
import { intercept, recording, startTestS3, type TestS3 } from '../s3.ts';

const superseded = { type: 'Superseded', nonRetryable: true };

describe('the head of a stage', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  /** Each test has a stage of its own. */
  const stageOf = (run: string) => ({ run, stage: 'stage1' });

  it('is claimed by a first attempt, which begins with nothing', async () => {
    const stage = stageOf('first');
    assert.equal(await readHead(s3.store, stage), undefined);
    assert.equal((await claimHead(s3.store, stage, 1)).checkpoint, null);
    assert.deepEqual(await readHead(s3.store, stage), { token: 1, checkpoint: null });
  });

  it('gives the same answer to an attempt that claims it twice', async () => {
    const stage = stageOf('twice');
    await claimHead(s3.store, stage, 1);
    await commitHead(s3.store, checkpoint('twice', 1, 10));
    assert.deepEqual((await claimHead(s3.store, stage, 2)).checkpoint, checkpoint('twice', 1, 10));
    assert.deepEqual((await claimHead(s3.store, stage, 2)).checkpoint, checkpoint('twice', 1, 10));
    assert.equal((await readHead(s3.store, stage))?.token, 2);
  });

  it('refuses an older attempt from the moment that a newer one has claimed it', async () => {
    const stage = stageOf('older');
    await claimHead(s3.store, stage, 1);
    await commitHead(s3.store, checkpoint('older', 1, 10));
    await claimHead(s3.store, stage, 2);
    await assert.rejects(commitHead(s3.store, checkpoint('older', 1, 20)), superseded);
    await assert.rejects(claimHead(s3.store, stage, 1), {
      ...superseded,
      message: 'attempt 1 of older/stage1 was replaced by attempt 2',
    });
    assert.deepEqual(await readHead(s3.store, stage), { token: 2, checkpoint: checkpoint('older', 1, 10) });
  });

  it('is not believed with a token that no clock has given, and says what to do', async () => {
    const stage = stageOf('poisoned');
    const name = keys.head('poisoned', 'stage1');
    const kept = checkpoint('poisoned', 1, 10);
    const head = { token: Number.MAX_SAFE_INTEGER, checkpoint: kept };
    await s3.store.writeText(name, JSON.stringify(head));
    const refusal = { type: 'DamagedHead', nonRetryable: true, message: /ahead of the clock.*"token": 1/ };
    for (const work of [
      () => claimHead(s3.store, stage, Date.now()),
      () => commitHead(s3.store, { ...kept, token: Date.now() }),
    ])
      await assert.rejects(work(), refusal);
    await s3.store.writeText(name, JSON.stringify({ ...head, token: 1 }));
    assert.deepEqual((await claimHead(s3.store, stage, Date.now())).checkpoint, kept);
  });

  it('is never given a token that is far ahead of the clock: it would shut out all that come after', async () => {
    const stage = stageOf('forged');
    const work = claimHead(s3.store, stage, Number.MAX_SAFE_INTEGER);
    await assert.rejects(work, { type: 'DamagedHead', nonRetryable: true });
    assert.equal(await readHead(s3.store, stage), undefined);
    const soon = Date.now() + 60_000;
    assert.equal((await claimHead(s3.store, stage, soon)).checkpoint, null, 'clocks differ by a little');
  });

  it('that cannot be read is a failure with a name, not an error to be tried for ever', async () => {
    const stage = stageOf('unreadable');
    for (const text of ['{', '[]', '{"token":"7","checkpoint":null}']) {
      await s3.store.writeText(keys.head('unreadable', 'stage1'), text);
      const work = claimHead(s3.store, stage, Date.now());
      await assert.rejects(work, {
        type: 'DamagedHead',
        nonRetryable: true,
        message: /head\.json[^]*manifest/,
      });
    }
  });

  it('never goes back to fewer iterations', async () => {
    const stage = stageOf('back');
    await claimHead(s3.store, stage, 1);
    await commitHead(s3.store, checkpoint('back', 1, 30));
    await commitHead(s3.store, checkpoint('back', 1, 20));
    assert.equal((await readHead(s3.store, stage))?.checkpoint?.iterations, 30);
    await claimHead(s3.store, stage, 2);
    await commitHead(s3.store, checkpoint('back', 2, 20));
    assert.deepEqual(await readHead(s3.store, stage), { token: 2, checkpoint: checkpoint('back', 1, 30) });
  });

  it('goes from the last numbered checkpoint to the final one of as many iterations', async () => {
    const final = { ...checkpoint('final', 1, 30), name: 'model_final.pth', final: true };
    await claimHead(s3.store, stageOf('final'), 1);
    await commitHead(s3.store, checkpoint('final', 1, 30));
    await commitHead(s3.store, final);
    assert.deepEqual((await readHead(s3.store, stageOf('final')))?.checkpoint, final);
  });

  it('belongs to the newest of many attempts that claim it at the same time', async () => {
    for (let round = 0; round < 15; round += 1) {
      const stage = stageOf(`claims-${round}`);
      const tokens = [1, 2, 3, 4];
      const claims = await Promise.allSettled(tokens.map((token) => claimHead(s3.store, stage, token)));
      assert.equal((await readHead(s3.store, stage))?.token, 4);
      assert.equal(claims.at(-1)?.status, 'fulfilled');
      for (const claim of claims) if (claim.status === 'rejected') assertSuperseded(claim.reason);
    }
  });

  it('takes a commit before the claim of the next attempt, or not at all', async () => {
    for (let round = 0; round < 20; round += 1) {
      const run = `race-${round}`;
      await claimHead(s3.store, stageOf(run), 1);
      const [commit, claim] = await Promise.allSettled([
        commitHead(s3.store, checkpoint(run, 1, 10)),
        claimHead(s3.store, stageOf(run), 2),
      ]);
      assert.ok(claim.status === 'fulfilled');
      const taken = commit.status === 'fulfilled' ? checkpoint(run, 1, 10) : null;
      assert.deepEqual(claim.value.checkpoint, taken, 'what the next continues from');
      assert.deepEqual(await readHead(s3.store, stageOf(run)), { token: 2, checkpoint: taken });
    }
  });

  it('takes a write whose answer was lost for what it is: done', async () => {
    let lose = true;
    const unlucky = intercept(s3.store, {
      after: ({ operation }) => {
        if (operation !== 'writeText' || !lose) return Promise.resolve();
        lose = false;
        return Promise.reject(new Error('socket hang up'));
      },
    });
    await assert.rejects(claimHead(unlucky, stageOf('lost'), 1), /socket hang up/);
    assert.equal((await claimHead(unlucky, stageOf('lost'), 1)).checkpoint, null);
    lose = true;
    await assert.rejects(commitHead(unlucky, checkpoint('lost', 1, 10)), /socket hang up/);
    await commitHead(unlucky, checkpoint('lost', 1, 10));
    assert.deepEqual(await readHead(s3.store, stageOf('lost')), {
      token: 1,
      checkpoint: checkpoint('lost', 1, 10),
    });
  });

  it('costs two requests where no one contends', async () => {
    const { store, requests } = recording(s3.store);
    await claimHead(store, stageOf('requests'), 1);
    const key = keys.head('requests', 'stage1');
    assert.deepEqual(requests, [`readText ${key}`, `writeText ${key}`]);
  });

  it('is given up, with what to look at, where no conditional write ever succeeds', async () => {
    const weakTags: ObjectStore = { ...s3.store, writeText: () => Promise.resolve('conflict') };
    await assert.rejects(claimHead(weakTags, stageOf('weak'), 1), {
      message:
        /^s3:\/\/glee\/runs\/weak\/stage1\/head\.json refused 100 conditional writes in a row: .*ETags and If-Match/,
    });
  });

  it('is not believed, and not overwritten, when someone has edited it into nonsense', async () => {
    const nonsense = {
      'not-json': 'token: 1',
      'no-token': '{"checkpoint": null}',
      'bad-token': '{"token": "1", "checkpoint": null}',
      'bad-name': JSON.stringify({
        token: 1,
        checkpoint: { ...checkpoint('x', 1, 10), name: '../../etc/passwd' },
      }),
      'bad-sum': JSON.stringify({
        token: 1,
        checkpoint: { ...checkpoint('x', 1, 10), file: { key: 'k', sha256: 'abc', sizeBytes: 1 } },
      }),
    };
    for (const [run, text] of Object.entries(nonsense)) {
      const key = keys.head(run, 'stage1');
      await s3.store.writeText(key, text);
      const clear = new RegExp(`^s3://glee/${key} is not (JSON|what this version writes)`);
      await assert.rejects(readHead(s3.store, stageOf(run)), { message: clear });
      await assert.rejects(claimHead(s3.store, stageOf(run), 2), { message: clear });
      assert.equal((await s3.store.readText(key))?.text, text);
    }
  });
});

function checkpoint(run: string, token: number, iterations: number): Checkpoint {
  const name = `model_${String(iterations - 1).padStart(7, '0')}.pth`;
  const file = { key: `runs/${run}/${token}/${name}`, sha256: 'a'.repeat(64), sizeBytes: 7 };
  return { run, stage: 'stage1', token, name, iterations, final: false, file, savedAt: 1 };
}

function assertSuperseded(reason: unknown): void {
  assert.ok(reason instanceof Error && 'type' in reason);
  assert.equal(reason.type, 'Superseded');
}
