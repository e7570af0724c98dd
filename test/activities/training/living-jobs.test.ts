import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { livingJobs } from '../../../activities/training/living-jobs.ts';
import { openJob } from '../../../activities/training/jobs/job.ts';
import { endTrainer, isAlive, jobMark } from '../../../activities/training/jobs/processes.ts';
import { until } from '../../support/until.ts';

let scratch: string;
before(async () => (scratch = await mkdtemp(join(tmpdir(), 'glee-living-'))));
after(() => rm(scratch, { recursive: true, force: true }));

const noSupervisors = { isWatched: () => false };

test('a host tells of the leases under which something lives, or is about to, and of no others', async () => {
  const key = { run: 'r', stage: 'stage1', workflowId: 'r/stage1' };
  const lives = await openJob(scratch, { ...key, token: 1, requestId: 'r/stage1#x#1', gpuIndices: [2, 3] });
  await openJob(scratch, { ...key, token: 2, requestId: 'over' });
  const begins = await openJob(scratch, { ...key, token: 3, requestId: 'begins' });
  await openJob(scratch, { ...key, token: 4 });
  const trainer = spawn('sleep', ['600'], { env: { ...process.env, ...jobMark(lives) } });
  await until('the trainer to live', () => isAlive(lives));
  const watched = { isWatched: (folder: string) => folder === begins.folder };
  const told = await livingJobs(scratch, watched);
  assert.deepEqual(
    told.toSorted((a, b) => a.token - b.token),
    [
      { holder: 'r/stage1', requestId: 'r/stage1#x#1', token: 1, gpuIndices: [2, 3] },
      { holder: 'r/stage1', requestId: 'begins', token: 3 },
    ],
  );
  await endTrainer(lives);
  assert.deepEqual(await livingJobs(scratch, noSupervisors), []);
  trainer.kill('SIGKILL');
});
