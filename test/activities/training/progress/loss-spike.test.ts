import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readHead } from '../../../../activities/checkpoints/head.ts';
import {
  createSpikeWatch,
  findSpike,
  spikeText,
} from '../../../../activities/training/progress/loss-spike.ts';
import { isAlive } from '../../../../activities/training/jobs/processes.ts';
import { until } from '../../../support/until.ts';
import { startTestS3, type TestS3 } from '../../s3.ts';
import { makeJob, makeScratch } from '../jobs.ts';
import { makeHost, rankInput, startRank } from '../ranks.ts';

const lines = (...losses: readonly number[]) => losses.map((loss, index) => ({ iteration: index + 1, loss }));
const usual = Array.from({ length: 20 }, (_, index) => 0.5 + 0.25 * (index % 5));

describe('findSpike', () => {
  it('finds five lines in a row that are far above the usual, with figures', () => {
    const spike = findSpike(lines(...usual, 11.12, 12, 15, 20, 31), 10);
    assert.ok(spike);
    assert.equal(
      spikeText(spike),
      'total_loss was above 10 × its usual 1 for 5 lines of metrics, from iteration 21 on: 11.1, 12, 15, 20, 31',
    );
  });

  it('takes fewer lines, or one that comes down in between, for no spike', () => {
    assert.equal(findSpike(lines(...usual, 12, 15, 20, 31), 10), undefined);
    assert.equal(findSpike(lines(...usual, 11.12, 12, 2, 20, 31), 10), undefined);
  });

  it('does not judge before it knows the usual', () => {
    assert.equal(findSpike(lines(...usual.slice(1), 11, 12, 15, 20, 31), 10), undefined);
  });

  it('says nothing of a loss that falls, or that may be negative', () => {
    const falling = Array.from({ length: 60 }, (_, index) => 100 / (1 + index));
    assert.equal(findSpike(lines(...falling), 10), undefined);
    assert.equal(findSpike(lines(...usual.map((loss) => -loss), 11, 12, 15, 20, 31), 10), undefined);
  });
});

describe('createSpikeWatch', () => {
  it('knows the usual from earlier attempts, up to the checkpoint', async (test) => {
    const scratch = await makeScratch(test);
    const [first, second] = [await makeJob(test, 1, scratch), await makeJob(test, 2, scratch)];
    const write = async (job: typeof first, losses: readonly number[], from: number) => {
      const text = losses.map((loss, index) => JSON.stringify({ iteration: from + index, total_loss: loss }));
      await appendFile(join(job.output, 'metrics.json'), `${text.join('\n')}\n`);
    };
    await write(first, [...usual, 500, 500, 500], 0);
    await write(second, [11, 11, 11, 11, 11], 20);
    const input = rankInput('run');
    const plan = { ...input.plan, limits: { ...input.plan.limits, lossSpike: 10 } };
    const file = { key: 'k', sha256: 'a'.repeat(64), sizeBytes: 1 };
    const saved = { run: 'run', stage: 'stage1', token: 1, name: 'model_0000019.pth', iterations: 20 };
    const resumeFrom = { ...saved, final: false, file, savedAt: 1 };
    const watch = await createSpikeWatch(scratch, second, { ...input, plan, resumeFrom });
    assert.equal((await watch.look({ iteration: 25 }))?.usual, 1);
    assert.equal(await watch.look({ iteration: 25 }), undefined, 'the same line is looked at once');
  });
});

describe('trainRank, when the loss leaves its usual height', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('ends the trainer, and keeps what it saved before, not what it saved since', async (test) => {
    const host = await makeHost(test, 'diverges.py', s3);
    const limits = { ...host.input.plan.limits, lossSpike: 10 };
    const stage = { run: host.input.run, stage: 'stage1' };
    const { result } = startRank(host, { plan: { ...host.input.plan, limits } });
    await until('the good checkpoint', async () => {
      return (await readHead(s3.store, stage))?.checkpoint?.iterations === 20;
    });
    await host.allow(30);
    await assert.rejects(result, {
      type: 'LossSpike',
      message:
        'total_loss was above 10 × its usual 3 for 5 lines of metrics, from iteration 26 on: 125, 126, 127, 128, 129; so the trainer was ended',
    });
    assert.equal(await isAlive(await host.job()), false);
  });

  it('lets it train on where no limit is set', async (test) => {
    const host = await makeHost(test, 'diverges.py', s3);
    await host.allow(30);
    const rank = startRank(host);
    await host.untilLog('diverges');
    await until('the last line to be seen', () => rank.beats.some(({ iteration }) => iteration === 30));
    assert.equal(await isAlive(await host.job()), true);
    rank.cancel();
    await assert.rejects(rank.result, { name: 'CancelledFailure' });
  });
});
