import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startRun } from '../../cli/runs/start.ts';
import { poolWorkflowId } from '../../contracts/ids.ts';
import { poolQuery } from '../../workflows/base/messages.ts';
import { look, resultOf, startTestStack, untilIteration, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

describe('a run that has all hosts when a more urgent one comes', () => {
  let stack: TestStack;
  before(async () => (stack = await startTestStack()));
  after(() => stack.stop());

  it('saves and yields them, takes them back by itself, and repeats nothing', async () => {
    await startRun(stack.client, 'patient', { config: 'joint/rare-saves-2' });
    await untilIteration(stack, 'patient', 'stage1', 60);
    await startRun(stack.client, 'urgent', { config: 'joint/urgent' });
    await until('the urgent one to train', async () => {
      return (await look(stack, 'urgent'))?.stage?.state?.phase === 'training';
    });
    const { queue, hosts } = await stack.client.workflow
      .getHandle(poolWorkflowId('default'))
      .query(poolQuery);
    assert.deepEqual(
      queue.map(({ holder, position }) => [holder, position]),
      [['patient/stage1', 1]],
    );
    assert.match(queue[0]?.waitsFor ?? '', /urgent\/stage1/);
    assert.ok(hosts.every(({ leasedTo }) => leasedTo === 'urgent/stage1'));
    const [urgent, patient] = await Promise.all([resultOf(stack, 'urgent'), resultOf(stack, 'patient')]);
    assert.equal(patient.stages[0]?.artifact.sha256, urgent.stages[0]?.artifact.sha256);
    assert.deepEqual([patient.stages[0]?.attempts, patient.stages[0]?.iterationsRun], [2, 300]);
    const events = (await look(stack, 'patient'))?.stage?.state?.events ?? [];
    assert.ok(
      events.some(({ text }) => text.includes('the pool wants its hosts back: urgent/stage1 is more urgent')),
    );
  });
});
