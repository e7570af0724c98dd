/** @module Evaluations and their hosts, on a real server with the real pool: the checkpoint is theirs until they are over. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fail } from '../../../activities/support/failures.ts';
import type { EvaluationResult } from '../../../contracts/evaluation.ts';
import { CONTROL_TASK_QUEUE } from '../../../contracts/ids.ts';
import { beating, startLab, type Lab } from '../../support/lab.ts';
import { failedAs, leasesOf, setScene, viewPoolOf, type Scene } from '../../support/scene.ts';
import { until } from '../../support/until.ts';

describe('evaluate', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('goes to another host where one lacks what it needs, and counts that one', async (t) => {
    const scene = await setScene(lab, t, {
      check: (_, host) =>
        Promise.resolve({
          checks: host === 'host-a' ? [{ name: 'data', outcome: 'failed', said: 'no rabbits' }] : [],
        }),
    });
    const { metrics } = await (await start(scene)).result();
    assert.deepEqual([metrics[0]?.value, scene.evaluations], [7, ['host-b']]);
    const strikes = async () => (await viewPoolOf(scene)).hosts[0]?.strikes ?? [];
    await until('the strike', async () => (await strikes()).length === 1);
    assert.deepEqual(scene.unpinned, ['_evaluation-1']);
  });

  it('stops by name when no host is left, and lets retention have the checkpoint', async (t) => {
    const scene = await setScene(lab, t, {
      check: () => Promise.resolve({ checks: [{ name: 'data', outcome: 'failed', said: 'no rabbits' }] }),
    });
    const failure = await failedAs(await start(scene));
    assert.equal(failure.type, 'MissingFile');
    assert.match(failure.message, /host-b.*host-a|host-a.*host-b/);
    assert.deepEqual(scene.unpinned, ['_evaluation-1']);
    assert.deepEqual(await leasesOf(scene), {});
  });

  it('lets retention have the checkpoint when it is cancelled, or its host finds it damaged for good', async (t) => {
    const scene = await setScene(lab, t, {
      evaluate: () => beating(new Promise<never>(() => undefined)),
    });
    const handle = await start(scene);
    await until('it to evaluate', () => scene.evaluations.length === 1);
    await handle.cancel();
    await assert.rejects(handle.result());
    assert.deepEqual(scene.unpinned, ['_evaluation-1']);
    const gone = await setScene(
      lab,
      { name: `gone ${t.name}`.slice(0, 60) },
      { evaluate: () => Promise.reject(fail('MissingFile', 'it is gone')) },
    );
    assert.equal((await failedAs(await start(gone))).type, 'MissingFile');
    assert.deepEqual(gone.unpinned, ['_evaluation-1']);
  });
});

function start({ lab, run, plan }: Scene) {
  return lab.client.workflow.start<(input: unknown) => Promise<EvaluationResult>>('evaluate', {
    workflowId: `evaluate/${run}`,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowExecutionTimeout: '60s',
    args: [{ checkpoint: `${run}/${plan.stage}@100` }],
  });
}
