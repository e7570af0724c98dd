import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { evaluateOnHost } from '../../../../activities/training/evaluation/evaluate-on-host.ts';
import type {
  EvaluateOnHostInput,
  EvaluationResult,
  EvaluationTask,
} from '../../../../contracts/evaluation.ts';
import { temporaryFolder } from '../../../fixtures/glee-checkout.ts';
import { startTestS3, type TestS3 } from '../../s3.ts';
import { makeHost, type TestHost } from '../ranks.ts';

interface Said {
  readonly lines?: number;
  readonly metrics?: Readonly<Record<string, Readonly<Record<string, number | string>>>>;
  readonly none?: boolean;
  readonly link?: boolean;
  readonly files?: Readonly<Record<string, string>>;
}

describe('evaluateOnHost', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  /** A host whose GLEE says this of each data set, and the task to evaluate them. */
  async function prepare(test: TestContext, said: Readonly<Record<string, Said>>) {
    const host = await makeHost(test, 'evaluates.py', s3);
    await writeFile(join(host.settings.checkout, 'evaluation.json'), JSON.stringify(said));
    const path = join(await temporaryFolder(test), 'weights.pth');
    await writeFile(path, 'weights');
    const { run, plan } = host.input;
    const key = `runs/${run}/stage1/attempts/1/model_final.pth`;
    const weights = await s3.store.upload(key, path, new AbortController().signal);
    const task: EvaluationTask = {
      ...{ run, stage: 'stage1', checkpoint: `${run}/stage1@30`, iterations: 30, plan },
      weights: { name: 'w', bucket: s3.store.bucket, key: s3.store.keyOf(key), ...weights },
      datasets: Object.keys(said),
      inputs: 'b'.repeat(64),
    };
    return { host, task, key };
  }

  function evaluate(host: TestHost, task: EvaluationTask): Promise<EvaluationResult> {
    const workflowExecution = { workflowId: 'evaluate', runId: 'run-id' };
    const environment = new MockActivityEnvironment(
      { workflowExecution },
      { logger: new DefaultLogger('ERROR') },
    );
    const work = () => evaluateOnHost(host, { task, token: 1, attempt: 1 } satisfies EvaluateOnHostInput);
    return environment.run<[], EvaluationResult, typeof work>(work);
  }

  async function failureOf(work: Promise<unknown>, type: string): Promise<ApplicationFailure> {
    const error: unknown = await work.catch((reason: unknown) => reason);
    assert.ok(error instanceof ApplicationFailure, String(error));
    assert.equal(error.type, type, error.message);
    return error;
  }

  it('keeps the metrics of the first data set however much later ones print', async (test) => {
    const { host, task } = await prepare(test, {
      coco_2017_val: { metrics: { bbox: { AP: 55.5 }, segm: { AP: 48.4 } } },
      odinw13_Rabbits: { lines: 10_000, metrics: { bbox: { AP: 71.4, APs: 'nan' } } },
    });
    const { metrics } = await evaluate(host, task);
    assert.deepEqual(metrics, [
      { dataset: 'coco_2017_val', metric: 'bbox/AP', value: 55.5 },
      { dataset: 'coco_2017_val', metric: 'segm/AP', value: 48.4 },
      { dataset: 'odinw13_Rabbits', metric: 'bbox/AP', value: 71.4 },
    ]);
  });

  it('keeps all regular files that an evaluation writes, and names them where it is asked for again', async (test) => {
    const files = { 'results.json': '[{"video_id":1}]', 'more/a.txt': 'a' };
    const { host, task } = await prepare(test, { ytvis_2019_val: { none: true, link: true, files } });
    const result = await evaluate(host, task);
    assert.deepEqual(result.metrics, []);
    assert.deepEqual(
      result.files?.map(({ path, sizeBytes }) => [path, sizeBytes]),
      [
        ['inference/more/a.txt', 1],
        ['inference/results.json', 16],
      ],
    );
    const [, results] = result.files ?? [];
    const folder = `runs/${task.run}/stage1/evaluations/30-${'b'.repeat(12)}`;
    assert.equal(results?.key, `${folder}/inference/results.json`);
    assert.equal((await s3.store.readText(results.key))?.text, '[{"video_id":1}]');
    assert.deepEqual(JSON.parse((await s3.store.readText(`${folder}.json`))?.text ?? ''), result);
  });

  it('fails by name when a data set has neither metrics nor the word that there are none', async (test) => {
    const { host, task } = await prepare(test, {
      ytvis_2019_val: { none: true },
      coco_2017_val: { metrics: { bbox: { AP: 1 } } },
      odinw13_Rabbits: {},
    });
    const { message } = await failureOf(evaluate(host, task), 'TrainerCrashed');
    assert.match(message, /no results of odinw13_Rabbits: see runs\/.*\.log/);
  });

  it('does not take what one evaluator says for the word of the next', async (test) => {
    const { host, task } = await prepare(test, { ytvis_2019_val: { none: true }, coco_2017_val: {} });
    await failureOf(evaluate(host, task), 'TrainerCrashed');
  });

  it('names a checkpoint that is gone from S3, and one that is another file', async (test) => {
    const { host, task, key } = await prepare(test, { coco_2017_val: {} });
    const gone = { ...task, weights: { ...task.weights, key: s3.store.keyOf(`${key}.gone`) } };
    const { message } = await failureOf(evaluate(host, gone), 'MissingFile');
    assert.match(message, /model_final\.pth\.gone \(w\) is gone/);
    const other = { ...task, weights: { ...task.weights, sha256: 'c'.repeat(64) } };
    await failureOf(evaluate(host, other), 'WrongWeights');
  });

  it('names a scratch folder that it cannot write to', async (test) => {
    const { host, task } = await prepare(test, { coco_2017_val: {} });
    // No one may make a folder there, not even root.
    const settings = { ...host.settings, scratch: '/sys/glee-scratch' };
    const { message } = await failureOf(evaluate({ ...host, settings }, task), 'HostUnfit');
    assert.match(message, /GLEE_SCRATCH is \/sys\/glee-scratch/);
  });
});
