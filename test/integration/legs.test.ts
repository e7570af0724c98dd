import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { resolveJointPlan } from '../../planning/resolve-joint.ts';
import { CONTROL_TASK_QUEUE, stageWorkflowId } from '../../contracts/ids.ts';
import type { TrainStageInput } from '../../contracts/runs.ts';
import { readSaves } from '../../activities/training/progress/companion-files.ts';
import { stageStateQuery } from '../../workflows/base/messages.ts';
import type { trainStage } from '../../workflows/stage/train-stage.ts';
import { iterationsOf, jobsThatWrote } from '../support/iterations.ts';
import { startTestStack, trainersOf, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const MAX_ITERATIONS = 300;

describe('a stage that is trained in segments, and rests after each', () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack();
  });
  after(() => stack.stop());

  for (const hosts of [1, 2]) {
    it(`repeats no iteration and ends with the same bytes, on ${hosts} host(s) of two ranks`, async () => {
      const config = `joint/rare-saves-${hosts}`;
      const whole = await segment(`whole-${hosts}`, config);
      const expected = (await whole.result()).artifact.sha256;
      const run = `segments-${hosts}`;
      for (const [index, iterations] of [40, 100].entries()) {
        const stage = await segment(run, config, iterations);
        if (iterations === 100) await killWorkersAfter(run, 60);
        const { artifact, attempts, iterationsRun } = await stage.result();
        assert.deepEqual(
          [artifact.name, artifact.iterations, attempts, iterationsRun],
          [`${run}/stage1@${iterations}`, iterations, 1, iterations - (index === 0 ? 0 : 40)],
        );
        assert.deepEqual(await trainersOf(stack), []);
        const { events } = await stage.query(stageStateQuery);
        assert.match(
          events.at(-1)?.text ?? '',
          new RegExp(`^stage1 rests after iteration ${iterations}, as asked: `),
        );
      }
      const again = await (await segment(run, config, 100)).result();
      assert.deepEqual([again.artifact.iterations, again.iterationsRun], [100, 0]);
      const { artifact, iterationsRun } = await (await segment(run, config)).result();
      assert.deepEqual([artifact.name, artifact.iterations], [`${run}/stage1`, MAX_ITERATIONS]);
      assert.equal(iterationsRun, MAX_ITERATIONS - 100);
      assert.equal(artifact.sha256, expected, 'as if it had never rested');
      assert.deepEqual(
        await iterationsOf(stack, run),
        Array.from({ length: MAX_ITERATIONS }, (_, iteration) => iteration),
        'each iteration was done, and once',
      );
      const jobs = await jobsThatWrote(stack, run);
      const saves = await Promise.all(jobs.map(readSaves));
      assert.deepEqual(
        saves.flat().map(({ name }) => name),
        ['model_0000039.pth', 'model_0000099.pth', 'model_0000299.pth', 'model_final.pth'],
      );
    });
  }

  /** An execution of the run's first stage. */
  async function segment(run: string, config: string, iterations?: number) {
    const input = await stageOf(run, config);
    return stack.client.workflow.start<typeof trainStage>('trainStage', {
      workflowId: stageWorkflowId(run, 'stage1'),
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ ...input, ...(iterations !== undefined && { until: iterations }) }],
    });
  }

  async function stageOf(run: string, config: string): Promise<TrainStageInput> {
    const { GLEE_CHECKOUT: checkout = '', GLEE_CONFIG_DIR: configDirectory = '' } = stack.env;
    const findArtifact = () => assert.fail('it begins from the weights of the checkout');
    const { plan } = await resolveJointPlan({ run, config, configDirectory, checkout, findArtifact });
    const [stage] = plan?.stages ?? [];
    if (stage?.weights.kind !== 'checkout') assert.fail('no plan');
    return { run, plan: stage, weights: stage.weights };
  }

  async function killWorkersAfter(run: string, iterations: number): Promise<void> {
    await until('the segment to train', async () => {
      return (await iterationsOf(stack, run)).length > iterations;
    });
    for (const { worker } of stack.hosts) worker.kill('SIGKILL');
  }
});
