import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WorkflowFailedError } from '@temporalio/client';
import { rootCause } from '../../cli/shared/observe-run.ts';
import { startRun } from '../../cli/runs/start.ts';
import type { EvaluateInput, EvaluationResult } from '../../contracts/evaluation.ts';
import type { FineTuneInput, FineTuneResult } from '../../contracts/fine-tune.ts';
import { CONTROL_TASK_QUEUE, poolWorkflowId } from '../../contracts/ids.ts';
import { poolQuery } from '../../workflows/base/messages.ts';
import { look, startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

describe('a fine-tune', () => {
  let stack: TestStack;
  before(async () => (stack = await startTestStack()));
  after(() => stack.stop());

  async function fineTune(run: string, config: string): Promise<FineTuneResult> {
    await startRun(stack.client, run, { config });
    return stack.client.workflow.getHandle<(input: FineTuneInput) => Promise<FineTuneResult>>(run).result();
  }

  async function evaluate(input: unknown): Promise<EvaluationResult> {
    return stack.client.workflow.execute<(input: unknown) => Promise<EvaluationResult>>('evaluate', {
      workflowId: `evaluate-${String(Math.random()).slice(2)}`,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [input],
    });
  }

  async function refusal(work: Promise<unknown>): Promise<string> {
    const error: unknown = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof WorkflowFailedError, String(error));
    return rootCause(error);
  }

  it('trains, evaluates each checkpoint that is kept, names the best, and does none of it twice', async () => {
    const first = await fineTune('rabbits', 'finetune/rabbits');
    const { stage, evaluations, best, gpuHours } = first;
    assert.deepEqual(
      evaluations.map(({ iterations }) => iterations),
      [40, 80, 120],
    );
    const score = ({ metrics }: EvaluationResult) =>
      metrics.find(({ metric }) => metric === 'bbox/AP50')?.value ?? assert.fail('no AP50');
    assert.ok(best !== undefined && evaluations.every((one) => score(one) <= score(best)));
    assert.ok(score(best) > 0 && gpuHours > 0);
    assert.equal(evaluations.at(-1)?.sha256, stage.artifact.sha256);

    const again = await fineTune('rabbits', 'finetune/rabbits');
    assert.deepEqual(again, { ...first, reused: true }, 'found in S3, not made again');
    const { status, state } = (await look(stack, 'rabbits')) ?? assert.fail();
    assert.equal(status, 'COMPLETED');
    assert.equal(state?.evaluations?.length, 3);
  });

  it('has its evaluation adopted by the next worker when one is killed', async () => {
    await fineTune('adopted', 'finetune/rabbits');
    const input: EvaluateInput = {
      checkpoint: 'adopted/finetune@80',
      datasets: ['odinw13_Rabbits', 'odinw13_Raccoon'],
    };
    const evaluating = evaluate(input);
    await until('the evaluation to be seen', async () => {
      const { hosts } = await stack.client.workflow.getHandle(poolWorkflowId('default')).query(poolQuery);
      return hosts.some(({ leasedTo }) => leasedTo?.startsWith('evaluate-') === true);
    });
    for (const { worker } of stack.hosts) worker.kill('SIGKILL');
    const { metrics } = await evaluating;
    assert.deepEqual([...new Set(metrics.map(({ dataset }) => dataset))], input.datasets);
  });

  it('is refused in words where names are wrong', async () => {
    assert.match(await refusal(evaluate({ checkpoint: 'x' })), /'x' names no checkpoint/);
    assert.match(
      await refusal(evaluate({ checkpoint: 'none/finetune@1' })),
      /no checkpoint 'none\/finetune@1' in S3/,
    );
    assert.match(await refusal(evaluate({ checkpoint: 1 })), /input\.checkpoint must name one/);
    assert.match(
      await refusal(evaluate({ checkpoint: 'rabbits/finetune@40', configs: 'x' })),
      /unknown key 'configs'/,
    );
    assert.match(await refusal(fineTune('bad', 'finetune/rabits')), /finetune\/rabits/);
    assert.match(
      await refusal(fineTune('no-metric', 'finetune/no-such-metric')),
      /evaluation\.metric is 'bbox\/APoops', which no evaluation has; there are: bbox\/AP/,
    );
  });
});
