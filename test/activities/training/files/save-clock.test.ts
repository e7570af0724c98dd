import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { z } from 'zod';
import type { Checkpoint, CheckpointTimes } from '../../../../contracts/checkpoints.ts';
import type { SaveEvery } from '../../../../contracts/plan.ts';
import type { TrainRankInput } from '../../../../contracts/training.ts';
import { openJob } from '../../../../activities/training/jobs/job.ts';
import { createSaveClock, savePeriodOverride } from '../../../../activities/training/files/save-clock.ts';
import { temporaryFolder } from '../../../fixtures/glee-checkout.ts';
import { stagePlan } from '../../../fixtures/stage-plan.ts';

const DAY = 86_400;

function inputOf(saveEvery: SaveEvery | undefined, times?: CheckpointTimes): TrainRankInput {
  const file = { key: 'k', sha256: 'a'.repeat(64), sizeBytes: 1 };
  const checkpoint: Checkpoint = {
    ...{ run: 'clock', stage: 'stage1', token: 1, name: 'model_0000009.pth', iterations: 10, final: false },
    ...{ file, savedAt: 1, ...(times && { times }) },
  };
  return {
    run: 'clock',
    plan: { ...stagePlan('default'), ...(saveEvery && { saveEvery }) },
    ...{ attempt: 1, token: 2, machineRank: 0, masterAddress: 'localhost', port: 1 },
    weights: { kind: 'checkout', path: 'w.pth', sha256: 'a', sizeBytes: 1 },
    resumeFrom: times === undefined ? null : checkpoint,
    secondsToFailure: 10 * DAY,
  };
}

/** A job whose companion has last said that it has trained for so long. */
async function makeJob(test: TestContext, trainedSeconds: number) {
  const identity = { run: 'clock', stage: 'stage1', token: 2, workflowId: 'clock/stage1' };
  const job = await openJob(await temporaryFolder(test), identity);
  const at = Date.now();
  const write = (name: string, value: unknown) =>
    writeFile(join(job.folder, name), `${JSON.stringify(value)}\n`);
  await write('phase.json', { phase: 'training', since: at - 1000 * trainedSeconds, at });
  const asked = async () => {
    const text = await readFile(join(job.folder, 'save-request.json'), 'utf8').catch(() => undefined);
    return text === undefined
      ? undefined
      : z.object({ id: z.string(), stop: z.boolean() }).parse(JSON.parse(text));
  };
  return { job, asked, write };
}

describe('createSaveClock', () => {
  const twenty: SaveEvery = { kind: 'seconds', seconds: 20 };

  it('asks for a save when the time has come, once until it is answered', async (test) => {
    const { job, asked, write } = await makeJob(test, 25);
    const clock = createSaveClock(job, inputOf(twenty));
    assert.deepEqual(await clock.tick(0.5), { saveSeconds: 20 });
    const request = await asked();
    assert.equal(request?.stop, false);
    await clock.tick(0.5);
    assert.deepEqual(await asked(), request);
    const at = Date.now();
    await write('save-answer.json', { ...request, iterations: 50, checkpoint: 'model_0000049.pth', at });
    await write('saves.jsonl', {
      name: 'model_0000049.pth',
      iteration: 49,
      stallSeconds: 20,
      writeSeconds: 20,
      at,
    });
    const said = await clock.tick(0.5);
    assert.deepEqual([said.saveSeconds, Math.round(said.bestSaveSeconds ?? 0)], [20, 5879]);
    assert.deepEqual(await asked(), request, 'it was saved just now');
  });

  it('does not ask before the time has come, nor while nothing is trained', async (test) => {
    const early = await makeJob(test, 5);
    await createSaveClock(early.job, inputOf(twenty)).tick(undefined);
    assert.equal(await early.asked(), undefined);
    const other = await makeJob(test, 60);
    await other.write('phase.json', { phase: 'evaluating', since: Date.now() - 60_000, at: Date.now() });
    await createSaveClock(other.job, inputOf(twenty)).tick(undefined);
    assert.equal(await other.asked(), undefined);
  });

  it("leaves it to GLEE's period where the plan does, and shows both", async (test) => {
    const { job, asked, write } = await makeJob(test, 1e6);
    assert.deepEqual(await createSaveClock(job, inputOf(undefined)).tick(2), { saveSeconds: 20 });
    assert.deepEqual(await createSaveClock(job, inputOf({ kind: 'auto' })).tick(undefined), {});
    assert.equal(await asked(), undefined, 'what a save costs is not known yet');
    const at = Date.now() - 1e9;
    await write('saves.jsonl', { name: 'a', iteration: 9, stallSeconds: 20, writeSeconds: 20, at });
    await createSaveClock(job, inputOf({ kind: 'auto' })).tick(undefined);
    assert.equal((await asked())?.stop, false);
  });
});

describe('savePeriodOverride', () => {
  const times = { stall: 20, secondsPerIteration: 1 };

  it("puts GLEE's own period behind the clock's once pace and cost are known", () => {
    const settings = savePeriodOverride(inputOf({ kind: 'auto' }, times));
    assert.deepEqual(settings, { SOLVER: { CHECKPOINT_PERIOD: Math.ceil(1.5 * Math.sqrt(40 * 10 * DAY)) } });
    assert.deepEqual(savePeriodOverride(inputOf({ kind: 'seconds', seconds: 600 }, times)), {
      SOLVER: { CHECKPOINT_PERIOD: 900 },
    });
  });

  it('leaves it alone before, and where the plan counts iterations', () => {
    assert.deepEqual(savePeriodOverride(inputOf({ kind: 'auto' })), {});
    assert.deepEqual(savePeriodOverride(inputOf({ kind: 'auto' }, { stall: 20 })), {});
    assert.deepEqual(savePeriodOverride(inputOf(undefined, times)), {});
  });
});
