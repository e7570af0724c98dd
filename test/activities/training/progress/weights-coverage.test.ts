import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import type { StageLimits } from '../../../../contracts/plan.ts';
import { keys } from '../../../../contracts/ids.ts';
import { readHead } from '../../../../activities/checkpoints/head.ts';
import { readCoverage } from '../../../../activities/training/progress/weights-coverage.ts';
import { Supervisors } from '../../../../activities/training/supervisors.ts';
import { otherWeights } from '../../../sandbox/other-weights.ts';
import { makeStandIn, sha256, stage1, type StandIn } from '../../../sandbox/stand-in.ts';
import { until } from '../../../support/until.ts';
import { startTestS3, type TestS3 } from '../../s3.ts';
import { logOf } from '../jobs.ts';
import { makeHost, pidOf, startRank, type TestHost } from '../ranks.ts';

/** What the sandbox's model has in common with the weights of its head alone. */
const HEAD = { keys: 6 / 8, parameters: 708 / 916 };

describe('trainRank, by what the initial weights match', { concurrency: 2 }, () => {
  let root = '';
  let standIn: StandIn = { checkout: '', python: '' };
  let s3: TestS3;
  before(async () => {
    s3 = await startTestS3();
    root = await mkdtemp(join(tmpdir(), 'glee-coverage-'));
    standIn = await makeStandIn(root);
  });
  after(async () => {
    await s3.stop();
    await rm(root, { recursive: true, force: true });
  });

  it('ends with WrongWeights before it trains, and says what is missing and what to change', async (test) => {
    const host = await hostWith(test, 'renamed', 0.01);
    const error: unknown = await startRank(host).result.catch((reason: unknown) => reason);
    assert.ok(error instanceof ApplicationFailure);
    assert.equal(error.type, 'WrongWeights', error.message);
    assert.match(
      error.message,
      /^glee: initial weights .*\.pth match 0 % of the model's parameters \(limit 1 %\); not matched: glee\.predictor\. \(6 keys, 708 parameters\), glee\.backbone\. .* \(give weights of this model, or lower limits\.coverage/,
    );
    const [details]: unknown[] = error.details ?? [];
    assert.equal(Object.entries(details ?? {}).find(([name]) => name === 'iterationsRun')?.[1], 0);
    const uploaded = await s3.store.readText(`${keys.attempt(host.input.run, 'stage1', 1)}/coverage.json`);
    assert.match(uploaded?.text ?? '', /"matchedKeys": 0, "totalKeys": 8/);
  });

  it('trains from weights above the limit, and shows what they matched: also to the next worker', async (test) => {
    const host = await hostWith(test, 'headOnly', 0.5);
    const first = startRank(host);
    const shown = await until('the coverage to be shown', () =>
      first.beats.find(({ iteration, coverage }) => iteration !== undefined && coverage),
    );
    assert.deepEqual([shown.coverage, shown.note], [HEAD, undefined]);
    const pid = await pidOf(host);
    first.shutDown();
    await assert.rejects(first.result, { type: 'WorkerShutdown' });
    const second = startRank({ ...host, supervisors: new Supervisors() });
    await until('the next worker to show it', () =>
      second.beats.some((beat) => beat.pid === pid && beat.coverage?.parameters === HEAD.parameters),
    );
    assert.deepEqual((await second.result).coverage, HEAD);
    assert.deepEqual((await startRank(host).result).coverage, HEAD, 'also when the answer was lost');
  });

  it('only measures where the plan was frozen without a limit', async (test) => {
    const host = await hostWith(test, 'renamed');
    assert.deepEqual((await startRank(host).result).coverage, { keys: 0, parameters: 0 });
  });

  it('holds no limit against a checkpoint that it resumes', async (test) => {
    const host = await hostWith(test, 'headOnly', 0.5);
    const first = startRank(host);
    const resumeFrom = await until('a checkpoint', async () => {
      return (await readHead(s3.store, { run: host.input.run, stage: 'stage1' }))?.checkpoint;
    });
    first.cancel();
    await assert.rejects(first.result, { name: 'CancelledFailure' });
    const plan = { ...host.input.plan, limits: { ...host.input.plan.limits, coverage: 0.95 } };
    const again = startRank(host, { token: 2, attempt: 2, resumeFrom, plan });
    const { final, coverage } = await again.result;
    assert.deepEqual([final?.iterations, coverage], [30, undefined]);
    assert.match(await logOf(await host.job(2)), /Starting training from iteration [12]0\n/);
    assert.equal(await readCoverage(await host.job(2)), undefined);
    assert.ok(
      again.beats.every(({ note }) => note === undefined),
      'nothing is unknown that need be known',
    );
  });

  /** A host that trains the stand-in from these weights. */
  async function hostWith(
    test: TestContext,
    change: 'renamed' | 'headOnly',
    coverage?: number,
  ): Promise<TestHost> {
    const host = await makeHost(test, 'trains.py', s3);
    const { plan, run } = host.input;
    const path = `weights/${run}.pth`;
    const file = join(standIn.checkout, path);
    await cp(await otherWeights(test, standIn, change), file);
    const limits: StageLimits = { ...plan.limits, ...(coverage !== undefined && { coverage }) };
    const weights = {
      kind: 'checkout',
      path,
      sha256: await sha256(file),
      sizeBytes: (await stat(file)).size,
    } as const;
    const overrides = {
      SOLVER: { MAX_ITER: 30, CHECKPOINT_PERIOD: 10 },
      SANDBOX: { SECONDS_PER_ITERATION: 0.1, METRICS_PERIOD: 1 },
      DATASETS: { TEST: [] },
    };
    const configFile = `projects/GLEE/configs/images/${stage1}.yaml`;
    return {
      ...host,
      settings: { ...host.settings, checkout: standIn.checkout },
      input: { ...host.input, weights, plan: { ...plan, configFile, weights, overrides, limits } },
    };
  }
});
