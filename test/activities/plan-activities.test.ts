import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ResolvedPlan } from '../../contracts/activities.ts';
import { keys } from '../../contracts/ids.ts';
import type { StagePlan } from '../../contracts/plan.ts';
import type { StageResult } from '../../contracts/runs.ts';
import type { InitialWeights } from '../../contracts/training.ts';
import { createPlanActivities } from '../../activities/plan-activities.ts';
import type { ObjectStore } from '../../activities/storage/ports/object-store.ts';
import { stageInputs } from '../../planning/inputs-checksum.ts';
import { LITE } from '../fixtures/glee-checkout.ts';
import { writeConfig } from '../fixtures/joint-config.ts';
import { startTestS3, type TestS3 } from './s3.ts';

const TRAIN_2 = '[coco_2017_train, lvis_v1_train]';
const CONFIG = `variant: Lite
gang: { hosts: 2, gpusPerHost: 2 }
overrides: { SOLVER: { MAX_ITER: 300, STEPS: [200], CHECKPOINT_PERIOD: 25 } }
stages:
  stage1:
  stage2:
    overrides:
      DATASETS: { TRAIN: ${TRAIN_2} }
      DATALOADER: { DATASET_RATIO: [1, 1], DATASET_BS: [2, 2], USE_RFS: [false, false], DATASET_ANN: [box, box] }
`;

describe('resolvePlan', () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  let runs = 0;

  /** A run of its own with its config and its checkout. */
  async function makeRun(test: TestContext, yaml = CONFIG, store: ObjectStore = s3.store) {
    const { checkout, file } = await writeConfig(test, yaml);
    runs += 1;
    const run = `lite-${runs}`;
    const configDirectory = dirname(dirname(file));
    const settings = { bucket: 'glee', prefix: '', configDirectory, checkout, python: 'python3' };
    const activities = createPlanActivities({ ...s3, store }, settings);
    const resolve = () => activities.resolvePlan({ run, config: 'joint/mine' });
    return { run, file, checkout, resolve: () => inActivity(resolve) };
  }

  it('freezes the plan in S3', async (test) => {
    const { run, resolve } = await makeRun(test);
    const { plan, done } = await resolve();
    assert.deepEqual(done, []);
    assert.deepEqual(
      plan.stages.map(({ stage, maxIterations }) => [stage, maxIterations]),
      [
        ['stage1', 300],
        ['stage2', 300],
      ],
    );
    assert.deepEqual(JSON.parse((await s3.store.readText(keys.plan(run)))?.text ?? ''), plan);
  });

  it('gives the same plan to a run that is started again', async (test) => {
    const { resolve } = await makeRun(test);
    assert.deepEqual(await resolve(), await resolve());
  });

  it('refuses to plan a run differently, and names each key that has changed', async (test) => {
    const { run, file, resolve } = await makeRun(test);
    const { plan } = await resolve();
    await edit(file, 'MAX_ITER: 300', 'MAX_ITER: 400', 'hosts: 2', 'hosts: 4');
    await assert.rejects(resolve(), {
      type: 'PlanChanged',
      nonRetryable: true,
      message: [
        `run '${run}' was planned differently; take another run id, or restore the config:`,
        ...['stage1', 'stage2'].flatMap((stage) => [
          `  stages.${stage}.overrides.SOLVER.MAX_ITER: 300 → 400`,
          `  stages.${stage}.gang.hosts: 2 → 4`,
        ]),
      ].join('\n'),
    });
    assert.deepEqual(JSON.parse((await s3.store.readText(keys.plan(run)))?.text ?? ''), plan);
  });

  it('continues with what people changed, whether the config says it by now or not', async (test) => {
    const { run, file, resolve } = await makeRun(test);
    const before = await resolve();
    const changes = { maxIterations: 400, learningRate: 5e-5 };
    await s3.store.writeText(keys.changes(run, 'stage1'), JSON.stringify(changes));
    const unchanged = await resolve();
    assert.deepEqual([unchanged.plan, unchanged.changes], [before.plan, { stage1: changes }]);
    const stage1 = 'stage1: { overrides: { SOLVER: { MAX_ITER: 400, BASE_LR: 5.0e-5 } } }';
    await edit(file, 'stage1:\n', `${stage1}\n`);
    assert.deepEqual((await resolve()).plan.stages, before.plan.stages);
    await edit(file, 'MAX_ITER: 400', 'MAX_ITER: 500');
    await assert.rejects(resolve(), {
      type: 'PlanChanged',
      message:
        /record has it that stage1 ends after 400 iterations and has SOLVER.BASE_LR 0.00005, .*MAX_ITER: 300 → 500/s,
    });
  });

  it('notices that a GLEE config was edited in the checkout', async (test) => {
    const { checkout, resolve } = await makeRun(test);
    await resolve();
    await edit(
      join(checkout, dirname(LITE.stage1), 'base_clip_frozen_image_R50.yaml'),
      'BASE_LR: 0.0001',
      'BASE_LR: 0.0002',
    );
    await assert.rejects(resolve(), {
      type: 'PlanChanged',
      message: /^ {2}stages\.stage1\.configFile: .* or its _BASE_ was changed in the checkout$/m,
    });
  });

  it('notices that the initial weights are others', async (test) => {
    const { checkout, resolve } = await makeRun(test);
    const { plan } = await resolve();
    const weights = plan.stages[0]?.weights;
    assert.ok(weights?.kind === 'checkout');
    await writeFile(join(checkout, weights.path), 'other weights');
    await assert.rejects(resolve(), { type: 'PlanChanged', message: /stages\.stage1\.weights: .*sha256/ });
  });

  it('lets settings change that only steer, and answers with the new ones', async (test) => {
    const { file, resolve } = await makeRun(test);
    await resolve();
    await edit(file, 'CHECKPOINT_PERIOD: 25', 'CHECKPOINT_PERIOD: 50', 'stages:', 'pool: a100\nstages:');
    const { plan } = await resolve();
    assert.deepEqual(
      plan.stages.map(({ checkpointPeriod, pool }) => [checkpointPeriod, pool]),
      [
        [50, 'a100'],
        [50, 'a100'],
      ],
    );
  });

  it('refuses a config with an error, naming file, line and key, before anything is written', async (test) => {
    const { run, file, resolve } = await makeRun(test, CONFIG.replace('hosts: 2', 'host: 2'));
    await assert.rejects(resolve(), (error: Error) => {
      assert.ok('type' in error && 'nonRetryable' in error);
      assert.deepEqual([error.type, error.nonRetryable], ['InvalidConfig', true]);
      assert.ok(error.message.includes(`${file}:2: gang.host`), error.message);
      assert.match(error.message, /did you mean 'hosts'\?/);
      return true;
    });
    assert.equal(await s3.store.readText(keys.plan(run)), undefined);
  });

  it('says that a bucket is not there, and which variables name it', async (test) => {
    const { resolve } = await makeRun(test, CONFIG, s3.storeOn('no-such-bucket'));
    await assert.rejects(resolve(), {
      type: 'StorageRefused',
      nonRetryable: true,
      message:
        /^bucket 'no-such-bucket' refuses: NoSuchBucket: .* \(GLEE_BUCKET, AWS_\*; 'glee doctor' tells more\)$/,
    });
  });

  it('lets an error pass that may pass: S3 is away', async (test) => {
    const away: ObjectStore = { ...s3.store, writeText: () => Promise.reject(new Error('ECONNREFUSED')) };
    const { resolve } = await makeRun(test, CONFIG, away);
    await assert.rejects(resolve(), { name: 'Error', message: 'ECONNREFUSED' });
  });

  it('finds the stages that are done, each from the weights that the one before left', async (test) => {
    const { run, resolve } = await makeRun(test);
    const { plan } = await resolve();
    const first = await finish(s3.store, run, plan.stages[0]);
    assert.deepEqual((await resolve()).done, [first]);
    const second = await finish(s3.store, run, plan.stages[1], first);
    assert.deepEqual((await resolve()).done, [first, second]);
  });

  it('does not take a stage for done that was trained from other settings', async (test) => {
    const { run, resolve } = await makeRun(test);
    const { plan } = await resolve();
    const [stage] = plan.stages;
    assert.ok(stage !== undefined);
    await finish(s3.store, run, { ...stage, settingsSha256: 'b'.repeat(64) });
    assert.deepEqual((await resolve()).done, []);
  });

  it('does not take a stage for done whose initial weights were others', async (test) => {
    const { run, resolve } = await makeRun(test);
    const { plan } = await resolve();
    const first = await finish(s3.store, run, plan.stages[0]);
    const other = { ...first, artifact: { ...first.artifact, sha256: 'c'.repeat(64) } };
    await finish(s3.store, run, plan.stages[1], other);
    assert.deepEqual((await resolve()).done, [first]);
  });

  it('does not take a stage for done while one before it is not', async (test) => {
    const { run, resolve } = await makeRun(test);
    const { plan } = await resolve();
    const first = await finish(s3.store, 'another-run', plan.stages[0]);
    await finish(s3.store, run, plan.stages[1], first);
    assert.deepEqual((await resolve()).done, []);
  });

  it('says which object it cannot read when someone has edited a result', async (test) => {
    const { run, resolve } = await makeRun(test);
    await resolve();
    await s3.store.writeText(keys.result(run, 'stage1'), '{"stage": "stage1"}');
    const source = `^s3://glee/${keys.result(run, 'stage1')} is not what this version writes: `;
    await assert.rejects(resolve(), { message: new RegExp(source) });
  });

  it('says which object it cannot read when someone has edited the plan', async (test) => {
    const { run, resolve } = await makeRun(test);
    await s3.store.writeText(keys.plan(run), '{}');
    await assert.rejects(resolve(), {
      message: new RegExp(`${keys.plan(run)} is not what this version writes: `),
    });
  });

  it('begins from the final weights of another run', async (test) => {
    const donor = await makeRun(test);
    const { plan } = await donor.resolve();
    const { artifact } = await finish(s3.store, donor.run, plan.stages[0]);
    const yaml = CONFIG.replace(
      '  stage1:\n  stage2:\n',
      `  stage2:\n    weights: { run: ${donor.run}, stage: stage1 }\n`,
    );
    const taker = await makeRun(test, yaml);
    assert.deepEqual((await taker.resolve()).plan.stages[0]?.weights, { kind: 'artifact', artifact });
  });
});

function inActivity(resolve: () => Promise<ResolvedPlan>): Promise<ResolvedPlan> {
  const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  return environment.run<[], ResolvedPlan, typeof resolve>(resolve);
}

/** Leaves the result of a stage in S3, as a run does that finishes it. */
async function finish(
  store: ObjectStore,
  run: string,
  stage: StagePlan | undefined,
  before?: StageResult,
): Promise<StageResult> {
  assert.ok(stage !== undefined);
  const result: StageResult = {
    stage: stage.stage,
    artifact: {
      name: `${run}/${stage.stage}`,
      bucket: 'glee',
      key: `runs/${run}/${stage.stage}/attempts/1/model_final.pth`,
      sha256: 'd'.repeat(64),
      sizeBytes: 7,
      iterations: stage.maxIterations,
      configFile: stage.configFile,
    },
    inputs: stageInputs(stage, weightsOf(stage, before)),
    attempts: 1,
    iterationsRun: stage.maxIterations,
  };
  await store.writeText(keys.result(run, stage.stage), JSON.stringify(result));
  return result;
}

function weightsOf({ weights }: StagePlan, before: StageResult | undefined): InitialWeights {
  assert.ok(weights.kind !== 'prepared');
  if (weights.kind !== 'stage') return weights;
  assert.ok(before !== undefined);
  return { kind: 'artifact', artifact: before.artifact };
}

/** Replaces pairs of texts in a file; each must be there. */
async function edit(file: string, ...pairs: readonly string[]): Promise<void> {
  let text = await readFile(file, 'utf8');
  for (let index = 0; index < pairs.length; index += 2) {
    const [from = '', to = ''] = pairs.slice(index);
    assert.ok(text.includes(from), `${file} holds no '${from}'`);
    text = text.replaceAll(from, to);
  }
  await writeFile(file, text);
}
