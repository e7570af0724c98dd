import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startRun } from '../../cli/runs/start.ts';
import {
  look,
  resultOf,
  startTestStack,
  trainToTheEnd,
  untilIteration,
  type TestStack,
} from '../support/stack.ts';
import { until } from '../support/until.ts';

describe('a run that is begun again under its id', () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack();
  });
  after(() => stack.stop());

  it('does only what is missing, and ends with the same bytes', async () => {
    const expected = await trainToTheEnd(stack, 'whole', 'joint/two-stages');
    await startRun(stack.client, 'parts', { config: 'joint/two-stages' });
    await untilIteration(stack, 'parts', 'stage2', 60);
    await stack.client.workflow.getHandle('parts').cancel();
    await until('the run to be cancelled', async () => (await look(stack, 'parts'))?.status === 'CANCELLED');
    await startRun(stack.client, 'parts', { config: 'joint/two-stages' });
    const result = await resultOf(stack, 'parts');
    assert.deepEqual(
      result.stages.map(({ artifact }) => artifact.sha256),
      expected.stages.map(({ artifact }) => artifact.sha256),
    );
    const [first, second] = (await look(stack, 'parts'))?.state?.stages ?? [];
    assert.equal(first?.status === 'done' && first.reused, true);
    assert.ok((second?.status === 'done' ? second.result.iterationsRun : 200) <= 200 - 60);
  });

  it('trains nothing when everything is there', async () => {
    await startRun(stack.client, 'whole', { config: 'joint/two-stages' });
    const result = await resultOf(stack, 'whole', 20_000);
    assert.equal(result.stages.length, 2);
    const { stages = [] } = (await look(stack, 'whole'))?.state ?? {};
    assert.ok(stages.every((stage) => stage.status === 'done' && stage.reused));
  });

  it('is refused, with the keys that differ, when its config would train something else', async () => {
    await startRun(stack.client, 'whole', { config: 'joint/short' });
    await assert.rejects(resultOf(stack, 'whole'), /PlanChanged: .*overrides\.SOLVER\.MAX_ITER: 200 → 300/s);
  });

  it('is refused when GLEE’s own file was edited since', async () => {
    const checkout = stack.env.GLEE_CHECKOUT ?? '';
    const file = join(
      checkout,
      'projects/GLEE/configs/images/Lite/Stage1_pretrain_openimage_obj365_CLIPfrozen_R50.yaml',
    );
    const original = await readFile(file, 'utf8');
    await writeFile(file, original.replace(/BASE_LR: .*/, 'BASE_LR: 0.01'));
    try {
      await startRun(stack.client, 'whole', { config: 'joint/two-stages' });
      await assert.rejects(resultOf(stack, 'whole'), /PlanChanged: .*was changed in the checkout/s);
    } finally {
      await writeFile(file, original);
    }
  });

  it('has a history that does not grow with the iterations, below 80 events a stage', async () => {
    await trainToTheEnd(stack, 'history-short', 'joint/hundred');
    await trainToTheEnd(stack, 'history-long', 'joint/thousand');
    const short = await eventsOf(stack, 'history-short');
    const long = await eventsOf(stack, 'history-long');
    assert.ok(long.all <= 80, String(long.all));
    assert.equal(short.besidesTasks, long.besidesTasks);
  });
});

/** How many workflow tasks there are is chance: what comes in the same instant shares one. */
async function eventsOf(stack: TestStack, run: string): Promise<{ all: number; besidesTasks: number }> {
  const { events } = await stack.client.workflow.getHandle(`${run}/stage1`).fetchHistory();
  const besidesTasks = (events ?? []).filter(
    (event) =>
      !event.workflowTaskScheduledEventAttributes &&
      !event.workflowTaskStartedEventAttributes &&
      !event.workflowTaskCompletedEventAttributes,
  );
  return { all: events?.length ?? 0, besidesTasks: besidesTasks.length };
}
