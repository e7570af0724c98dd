import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { claimStage } from '../../../activities/checkpoints/claim.ts';
import { commitCheckpoint } from '../../../activities/checkpoints/commit.ts';
import { readHead } from '../../../activities/checkpoints/head.ts';
import { prune } from '../../../activities/checkpoints/prune.ts';
import type { Bucket } from '../../../activities/storage/bucket.ts';
import { sha256OfObject } from '../../../activities/storage/sha256-of-object.ts';
import { randomNumbers } from '../../../sandbox/random.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { intercept, startTestS3, type TestS3 } from '../s3.ts';

const forever = new AbortController().signal;
const stage = { run: 'random', stage: 'stage1' };
const END = 100;
/** `GLEE_SEED=7 npm test -- random-writers` repeats what went wrong, as far as S3 does. */
const SEED = Number(process.env.GLEE_SEED ?? Date.now() % 1_000_000);

let s3: TestS3;
before(async () => (s3 = await startTestS3()));
after(() => s3.stop());

it(`two writers that take the stage from each other, and a reader, see one line of whole checkpoints (GLEE_SEED=${SEED})`, async (test) => {
  const random = randomNumbers(SEED);
  const pause = () => delay(random() * 4);
  const slow: Bucket = { ...s3, store: intercept(s3.store, { before: pause, after: pause }) };
  const folder = await temporaryFolder(test);
  /** When a claim was answered, and when a commit was begun: real time orders them. */
  const claimed: { readonly token: number; readonly at: number }[] = [];
  const committed: { readonly token: number; readonly begunAt: number; readonly iterations: number }[] = [];
  let lastToken = 0;
  let done = false;

  async function write(writer: string): Promise<void> {
    await mkdir(join(folder, writer));
    while (!done) {
      // Or they would take the stage from each other before either gets anywhere.
      await delay(random() * 200);
      const token = (lastToken += 1);
      try {
        const { checkpoint } = await claimStage(slow, stage, token, {}, forever);
        claimed.push({ token, at: performance.now() });
        let iterations = checkpoint?.iterations ?? 0;
        while (!done && random() > 0.25) {
          iterations += 10;
          const path = join(folder, writer, `model_${String(iterations - 1).padStart(7, '0')}.pth`);
          await writeFile(path, `${iterations} by ${writer} under ${token}`);
          const begunAt = performance.now();
          await commitCheckpoint(slow.store, { ...stage, token, path, iterations, final: false }, forever);
          committed.push({ token, begunAt, iterations });
          await prune(slow, stage, { retention: { newest: 2 }, running: true, graceMs: 0 }, forever);
          if (iterations >= END) done = true;
        }
      } catch (error) {
        if (!(error instanceof ApplicationFailure) || error.type !== 'Superseded') throw error;
      }
    }
  }

  let [token, iterations, read] = [0, 0, 0];
  async function readAll(): Promise<void> {
    while (!done) {
      await delay(5);
      const head = await readHead(s3.store, stage);
      if (head === undefined) continue;
      assert.ok(head.token >= token, 'the token fell');
      token = head.token;
      const { checkpoint } = head;
      if (checkpoint === null) continue;
      assert.ok(checkpoint.iterations >= iterations, 'iterations fell');
      iterations = checkpoint.iterations;
      const found = await sha256OfObject(s3, checkpoint.file.key, forever).catch(() => undefined);
      read += 1;
      if (found === checkpoint.file.sha256) continue;
      const now = await readHead(s3.store, stage);
      assert.notDeepEqual(now?.checkpoint, checkpoint, 'the head names what is not whole');
    }
  }

  await Promise.all([write('a'), write('b'), readAll()]);
  for (const commit of committed) {
    const newer = claimed.find(({ token: other, at }) => other > commit.token && at < commit.begunAt);
    assert.equal(newer, undefined, `attempt ${commit.token} committed after a newer one had the stage`);
  }
  assert.ok(committed.length >= END / 10 && claimed.length > 5 && read > 5);
});
