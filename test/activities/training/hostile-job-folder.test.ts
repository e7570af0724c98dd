import assert from 'node:assert/strict';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { keys } from '../../../contracts/ids.ts';
import { Supervisors } from '../../../activities/training/supervisors.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { until } from '../../support/until.ts';
import { startTestS3, type TestS3 } from '../s3.ts';
import { makeHost, startRank } from './ranks.ts';

describe('trainRank, of a job folder whose files are not what they should be', { concurrency: 2 }, () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  it('continues supervising its trainer, and ends well', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const rank = startRank(host);
    const { folder } = await host.untilLog('iter: 4 ');
    for (const name of ['coverage.json', 'trainer.json', 'phase.json', 'verdict.json', 'save-answer.json'])
      await writeFile(join(folder, name), '{"trunca');
    await writeFile(join(folder, 'rank-0.json'), 'x'.repeat(1 << 20));
    await execa('mkfifo', [join(folder, 'rank-99.json'), join(folder, 'saves.jsonl')]);
    await until('it to be looked at again', () => rank.beats.some(({ iteration }) => iteration === 5));
    await host.allow();
    assert.equal((await rank.result).final?.iterations, 30);
  });

  it('takes the trainer over from a worker that is gone, with an outcome and an activity that are damaged', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const first = startRank(host);
    const { folder } = await host.untilLog('iter: 4 ');
    first.shutDown();
    await assert.rejects(first.result, { type: 'WorkerShutdown' });
    for (const name of ['outcome.json', 'activity.json', 'job.json'])
      await writeFile(join(folder, name), '{');
    const second = startRank({ ...host, supervisors: new Supervisors() });
    await host.allow();
    assert.equal((await second.result).final?.iterations, 30);
  });

  it('puts nothing into S3 to which a link in OUTPUT_DIR leads', async (test) => {
    const host = await makeHost(test, 'trains.py', s3);
    await host.allow(5);
    const secrets = await temporaryFolder(test);
    await writeFile(join(secrets, 'key'), 'secret');
    const rank = startRank(host);
    const { output } = await host.untilLog('iter: 4 ');
    await symlink(join(secrets, 'key'), join(output, 'events.out'));
    await symlink(secrets, join(output, 'inference'));
    await host.allow();
    await rank.result;
    assert.ok((await readdir(output)).includes('inference'));
    const stored = await s3.objects.listAll(keys.stage(host.input.run, 'stage1'), AbortSignal.timeout(5000));
    const names = stored.map(({ name }) => name).filter((name) => name.includes('/output/'));
    assert.deepEqual(names, [`${keys.attempt(host.input.run, 'stage1', 1)}/output/metrics.json`]);
  });
});
