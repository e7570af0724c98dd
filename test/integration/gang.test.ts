import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { listJobs } from '../../activities/training/jobs/job.ts';
import { livingTrainers } from '../../activities/training/jobs/processes.ts';
import { readRanks } from '../../activities/training/progress/rank-records.ts';
import { renderRun } from '../../cli/runs/render.ts';
import { startRun } from '../../cli/runs/start.ts';
import { look, startTestStack, untilIteration, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

describe('a gang of two hosts, one rank of which is slow', () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack({ env: { SANDBOX_SLOW_RANK: '2:0.1' } });
  });
  after(() => stack.stop());

  it('names the host that holds it back, then the rank that was killed, and the host that hangs', async () => {
    const run = 'slow';
    await startRun(stack.client, run, { config: 'joint/hangs-soon' });
    await untilIteration(stack, run, 'stage1', 20);
    const line = await until('the straggler to be named', async () => {
      const snapshot = await look(stack, run);
      const text = snapshot && stripVTControlCharacters(renderRun(snapshot));
      return text?.split('\n').find((one) => one.includes('holds the gang back'));
    });
    assert.match(
      line,
      /^ {2}gpu-2 {2}machine 1 .* own 0\.1\d* s\/iter {2}holds the gang back: the others take 0\.0\d+ s/,
    );

    process.kill((await trainersOf('gpu-2')).at(-1) ?? 0, 'SIGKILL');
    const killed = await failureAfter(run, 0);
    assert.match(killed, /^attempt 1 failed on gpu-2: TrainerKilled: SIGKILL ended the trainer/);

    await untilIteration(stack, run, 'stage1', 60);
    await stopAtOwnWork('gpu-2');
    const hung = await failureAfter(run, 1);
    assert.match(
      hung,
      /^attempt 2 failed on gpu-2: Hang: no sign of progress in 'iteration' for [\d.]+ s \(limit 4 s: limits\.phases\.iteration\), so/,
    );
    await stack.client.workflow.getHandle(run).cancel();
    await until('the end', async () => (await look(stack, run))?.status !== 'RUNNING');
  });

  /** Stops all ranks of a host at a moment when one of them is not waiting for others. */
  async function stopAtOwnWork(host: string): Promise<void> {
    const pids = await trainersOf(host);
    await until('a rank to be stopped at its own work', async () => {
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      const jobs = await listJobs(scratchOf(host));
      const newest = jobs.sort((a, b) => b.identity.token - a.identity.token)[0];
      const ranks = await readRanks(newest ?? assert.fail('no job'));
      if (ranks.some(({ waits }) => !waits)) return true;
      for (const pid of pids) process.kill(pid, 'SIGCONT');
      return false;
    });
  }

  function scratchOf(host: string): string {
    return stack.hosts.find(({ name }) => name === host)?.scratch ?? '';
  }

  /** Pids of a host's trainer, the oldest first: the ranks come last. */
  async function trainersOf(host: string): Promise<number[]> {
    const living = await livingTrainers();
    return [...living]
      .flatMap(([folder, pids]) => (folder.startsWith(scratchOf(host)) ? pids : []))
      .sort((a, b) => a - b);
  }

  /** The text of the stage's failure number so many. */
  async function failureAfter(run: string, count: number): Promise<string> {
    return until('the attempt to fail', async () => {
      const events = (await look(stack, run))?.stage?.state?.events ?? [];
      return events.filter(({ failure }) => failure !== undefined)[count]?.text;
    });
  }
});
