import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import { packageRoot } from '../../configs/package-root.ts';
import { obtainServer } from '../../sandbox/obtain.ts';
import { startSweepLab, type SweepLab } from '../../bench/sweep-lab.ts';
import { stopTrialUpdate, sweepStateQuery } from '../../workflows/messages.ts';
import { configured } from '../support/lab.ts';
import { until } from '../support/until.ts';

describe('a sweep whose histories are long after sixty events', () => {
  let lab: SweepLab;
  let directory: string;
  const legs: string[] = [];
  /** By run: a leg of it that waits to be let go. */
  const held = new Map<string, () => void>();
  const holds = new Set<string>();

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'glee-continues-'));
    lab = await startSweepLab({
      executable: await configured(await obtainServer('temporal'), directory, {
        'limit.historyCount.suggestContinueAsNew': '60',
      }),
      configDirectory: join(packageRoot, 'test/fixtures/configs'),
      trial: ({ run, until: rung }) => {
        legs.push(`${run} to ${String(rung)}`);
        return holds.delete(run) ? new Promise<void>((resolve) => held.set(run, resolve)) : Promise.resolve();
      },
    });
  });
  after(async () => {
    for (const letGo of held.values()) letGo();
    await lab.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Executions that it has come through, by continuing as new. */
  const executionsOf = async (sweep: string) => {
    const all: string[] = [];
    const query = `WorkflowId = '${sweep}'`;
    for await (const { runId } of lab.client.workflow.list({ query })) all.push(runId);
    return all.length;
  };

  const start = (sweep: string, ...wait: readonly string[]) => {
    for (const trial of wait) holds.add(`${sweep}.${trial}`);
    return lab.start(sweep, 'sweeps/continued');
  };

  it('continues as new while legs go on, keeps its rungs, and runs nothing twice', async () => {
    const undisturbed = await (await start('free')).result();
    const handle = await start('slow', 'lr0.05-s1');
    await until('it to continue as new', async () => (await executionsOf('slow')) > 1);
    const { trials } = await handle.query(sweepStateQuery);
    assert.equal(trials[0]?.status, 'running');
    held.get('slow.lr0.05-s1')?.();
    const { counts, leaderboard } = await handle.result();
    assert.deepEqual([counts.finished + counts.stopped, counts.failed], [12, 0]);
    assert.deepEqual(leaderboard, undisturbed.leaderboard);
    assert.equal(new Set(legs).size, legs.length, 'a leg ran twice');
  });

  it('stops a leg that an earlier execution began, and ends with all of them when it is cancelled', async () => {
    const [first, second] = ['lr0.05-s1', 'lr0.05-s2'];
    const handle = await start('steered', first, second);
    await until('it to continue as new', async () => (await executionsOf('steered')) > 1);
    await handle.executeUpdate(stopTrialUpdate, { args: [{ trial: first, by: 'ada', why: 'no use' }] });
    await until('the trial to be stopped', async () => {
      const { trials } = await handle.query(sweepStateQuery);
      return trials[0]?.status === 'stopped';
    });
    assert.equal(await statusOf(`steered.${first}`), 'CANCELLED');
    await handle.cancel();
    await assert.rejects(handle.result(), (error: unknown) => {
      return error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure;
    });
    assert.equal(await statusOf(`steered.${second}`), 'CANCELLED');
  });

  const statusOf = async (run: string) => (await lab.client.workflow.getHandle(run).describe()).status.name;
});
