import assert from 'node:assert/strict';
import { appendFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { execa } from 'execa';
import {
  lastLine,
  peakMemoryMiB,
  readNewestMetrics,
  readTail,
} from '../../../../activities/training/progress/metrics.ts';
import { temporaryFolder } from '../../../fixtures/glee-checkout.ts';

async function metricsFile(test: TestContext, content: string): Promise<string> {
  const path = join(await temporaryFolder(test), 'metrics.json');
  await writeFile(path, content);
  return path;
}

const line = (iteration: number) =>
  `{"data_time": 0.01, "eta_seconds": 9.5, "iteration": ${iteration}, "loss_ce": 0.2, "lr": 0.0001, "time": 0.5, "total_loss": 1.25}\n`;

describe('readNewestMetrics', () => {
  it('counts iterations from one, where detectron2 counts from zero', async (test) => {
    const path = await metricsFile(test, line(19) + line(39));
    assert.deepEqual(await readNewestMetrics(path), {
      iteration: 40,
      loss: 1.25,
      learningRate: 0.0001,
      secondsPerIteration: 0.5,
      etaSeconds: 9.5,
    });
  });

  it('knows nothing while there is no file, no line, or no whole line', async (test) => {
    const path = await metricsFile(test, '');
    assert.equal(await readNewestMetrics(`${path}.none`), undefined);
    assert.equal(await readNewestMetrics(path), undefined);
    await appendFile(path, '{"iteration": 19, "total');
    assert.equal(await readNewestMetrics(path), undefined);
  });

  it('leaves a line that is being written for the next look', async (test) => {
    const path = await metricsFile(test, line(19));
    await appendFile(path, line(39).trimEnd());
    assert.equal((await readNewestMetrics(path))?.iteration, 20);
    await appendFile(path, '\n');
    assert.equal((await readNewestMetrics(path))?.iteration, 40);
  });

  it('reads on after a line that was torn by a crash', async (test) => {
    const path = await metricsFile(test, `${line(19)}{"iteration": 39, "tot${line(59)}`);
    assert.equal((await readNewestMetrics(path))?.iteration, 20);
    await appendFile(path, line(79));
    assert.equal((await readNewestMetrics(path))?.iteration, 80);
  });

  it('has no loss where Python wrote NaN or Infinity, which are not JSON', async (test) => {
    for (const word of ['NaN', 'Infinity', '-Infinity']) {
      const path = await metricsFile(test, `{"iteration": 4, "loss_ce": ${word}, "total_loss": ${word}}\n`);
      assert.deepEqual(await readNewestMetrics(path), { iteration: 5 });
    }
  });

  it('passes over the lines of evaluations, which bear the number of an iteration that was not done', async (test) => {
    const path = await metricsFile(
      test,
      `${line(39)}{"bbox/AP": 31.2, "bbox/AP50": NaN, "iteration": 40}\n{"iteration": 40, "segm/AP": 28.0}\n`,
    );
    assert.equal((await readNewestMetrics(path))?.iteration, 40);
  });

  it('passes over lines that are no metrics at all', async (test) => {
    const path = await metricsFile(
      test,
      `${line(19)}null\n[1, 2]\n{"iteration": -1, "total_loss": 1}\nhello\n\n`,
    );
    assert.equal((await readNewestMetrics(path))?.iteration, 20);
  });

  it('finds the newest of a hundred thousand lines at once', async (test) => {
    const path = await metricsFile(test, line(0).repeat(100_000) + line(99_999));
    const startedAt = performance.now();
    assert.equal((await readNewestMetrics(path))?.iteration, 100_000);
    assert.ok(performance.now() - startedAt < 200);
  });
});

describe('readTail', () => {
  it('reads the end of a file, and all of one that is shorter', async (test) => {
    const path = await metricsFile(test, 'first\nsecond\n');
    assert.equal(await readTail(path, 7), 'second\n');
    assert.equal(await readTail(path, 7000), 'first\nsecond\n');
  });

  it('is empty where there is a link, and waits for no pipe', async (test) => {
    const folder = await temporaryFolder(test);
    await writeFile(join(folder, 'secret'), 'secret');
    await symlink(join(folder, 'secret'), join(folder, 'link'));
    await execa('mkfifo', [join(folder, 'pipe')]);
    for (const name of ['link', 'pipe', '.']) assert.equal(await readTail(join(folder, name)), '');
  });

  it('is empty where there is no file', async (test) => {
    assert.equal(await readTail(join(await temporaryFolder(test), 'trainer.log')), '');
  });
});

describe('lastLine', () => {
  it('is the last that is not empty, cut where it is too long to be told', () => {
    assert.equal(lastLine('first\nsecond\n\n'), 'second');
    assert.equal(lastLine(`first\n${'#'.repeat(65_536)}`).length, 1000);
  });
});

describe('lines of 64 KiB', () => {
  it('are read at once, whatever they hold', async (test) => {
    const parts = ['max_mem: 1', 'NaN', '-NaN', '-', ' ', '[', '{"iteration": 1, "total_loss": ', '\\'];
    for (const part of parts) {
      const text = part.repeat(65_536 / part.length);
      const path = await metricsFile(test, `${text}\n`);
      const startedAt = performance.now();
      assert.equal(await readNewestMetrics(path), undefined);
      assert.equal(peakMemoryMiB(text), undefined);
      assert.ok(performance.now() - startedAt < 300, part);
    }
  });
});

describe('peakMemoryMiB', () => {
  it('is the newest that the log tells', () => {
    const log = 'iter: 19  max_mem: 3782M\n[…] iter: 39  lr: 0.1  max_mem: 8978M\nanother line';
    assert.equal(peakMemoryMiB(log), 8978);
  });

  it('is unknown on a host without a GPU', () => {
    assert.equal(peakMemoryMiB('iter: 19  lr: 0.1'), undefined);
  });
});
