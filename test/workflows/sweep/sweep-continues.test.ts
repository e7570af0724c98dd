import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  ApplicationFailure,
  CancelledFailure,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { innermostMessage } from '../../../contracts/failures.ts';
import { CONTROL_TASK_QUEUE } from '../../../contracts/ids.ts';
import { obtainServer } from '../../../sandbox/obtain.ts';
import { startSweepLab, type SweepLab } from '../../../bench/sweep-lab.ts';
import {
  addTrialUpdate,
  promoteTrialUpdate,
  stopTrialUpdate,
  sweepStateQuery,
} from '../../../workflows/base/messages.ts';
import { configured } from '../../support/lab.ts';
import { until } from '../../support/until.ts';

describe('a sweep whose histories are long after sixty events', () => {
  let lab: SweepLab;
  let directory: string;
  const segments: string[] = [];
  /** By run: what ends a segment of it that waits. */
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
        segments.push(`${run} to ${rung}`);
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

  it('continues as new while segments continue, keeps its rungs, and runs nothing twice', async () => {
    const undisturbed = await (await start('free')).result();
    const handle = await start('slow', 'lr0.05-s1');
    await until('it to continue as new', async () => (await executionsOf('slow')) > 1);
    const { trials } = await handle.query(sweepStateQuery);
    assert.equal(trials[0]?.status, 'running');
    held.get('slow.lr0.05-s1')?.();
    const { counts, leaderboard } = await handle.result();
    assert.deepEqual([counts.finished + counts.stopped, counts.failed], [12, 0]);
    assert.deepEqual(leaderboard, undisturbed.leaderboard);
    assert.equal(new Set(segments).size, segments.length, 'a segment ran twice');
  });

  it('stops a segment that an earlier execution began, and ends with all of them when it is cancelled', async () => {
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

  for (const [what, input] of [
    ['a number', 5],
    ['a list', [1]],
    ['no config', {}],
    ['a carried state that is none', { config: 'sweeps/continued', carried: { state: { trials: 5 } } }],
    ['rules that are none', { config: 'sweeps/continued', carried: { rules: null, state: null, begun: [] } }],
  ] as const) {
    it(`fails by name when it is started with ${what}`, async () => {
      const workflowId = `bad-${what.replaceAll(' ', '-')}`;
      const options = { workflowId, taskQueue: CONTROL_TASK_QUEUE, args: [input] };
      const handle = await lab.client.workflow.start('fineTuneSweep', options);
      await assert.rejects(handle.result(), (error: unknown) => {
        const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
        return cause instanceof ApplicationFailure && cause.type === 'InvalidConfig';
      });
    });
  }

  it('refuses orders that make no sense, in words, and runs on', async () => {
    const handle = await start('ordered', 'lr0.05-s1');
    await until('a trial to run', () => held.has('ordered.lr0.05-s1'));
    const sound = { id: 'mine-s1', group: 'g', parameters: { a: 1 }, seed: 1, inputs: 'i' };
    for (const [update, input, expected] of [
      [addTrialUpdate, undefined, /trial must be an object/],
      [addTrialUpdate, { ...sound, id: '../../etc' }, /trial\.id must be/],
      [addTrialUpdate, { ...sound, id: 'x'.repeat(60) }, /must be 1 to 63/],
      [addTrialUpdate, { ...sound, id: 'a\u001b[2J' }, /trial\.id must be/],
      [addTrialUpdate, { ...sound, id: 'lr0.05-s1' }, /has a trial 'lr0.05-s1'/],
      [addTrialUpdate, { ...sound, group: 'g'.repeat(1_000_000) }, /group must be .* of at most/],
      [addTrialUpdate, { ...sound, parameters: { a: 'b'.repeat(10_000) } }, /parameters must be/],
      [addTrialUpdate, { ...sound, parameters: [1] }, /parameters must be/],
      [addTrialUpdate, { ...sound, seed: -1 }, /seed must be/],
      [addTrialUpdate, { ...sound, more: true }, /unknown key 'more'/],
      [stopTrialUpdate, null, /order must be an object/],
      [stopTrialUpdate, { trial: 'lr0.05-s1', by: '', why: 'x' }, /by must be text that is not empty/],
      [promoteTrialUpdate, { trial: 5, by: 'a', why: 'x' }, /order\.trial must be/],
      [promoteTrialUpdate, { trial: 'never', by: 'a', why: 'x' }, /no trial 'never'/],
    ] as const) {
      const refusal = await handle.executeUpdate(update, { args: [input] }).then(
        (answer) => assert.fail(answer),
        (error: unknown) =>
          error instanceof WorkflowUpdateFailedError ? innermostMessage(error) : String(error),
      );
      assert.match(refusal, expected);
      assert.ok(refusal.length < 500, 'it repeats what it was given');
    }
    assert.match(await handle.executeUpdate(addTrialUpdate, { args: [sound] }), /trial 'mine-s1' is added/);
    held.get('ordered.lr0.05-s1')?.();
    const { counts } = await handle.result();
    assert.deepEqual([counts.finished + counts.stopped, counts.failed], [13, 0]);
  });

  const statusOf = async (run: string) => (await lab.client.workflow.getHandle(run).describe()).status.name;
});
