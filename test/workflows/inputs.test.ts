/**
 * @module The inputs of workflows that only programs start, as anyone with the namespace may send them: what is thrown
 * at an entry must fail the workflow, by name, or its task is tried for ever.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CONTROL_TASK_QUEUE } from '../../contracts/ids.ts';
import type { StageState, TrainStageInput } from '../../contracts/runs.ts';
import { checkStageInput } from '../../workflows/stage/stage-input.ts';
import { afterFailure, afterLacking, initialStageState } from '../../workflows/stage/stage-state.ts';
import { checkArtifactInput, checkWeightsInput } from '../../workflows/base/weights-input.ts';
import { stagePlan } from '../fixtures/stage-plan.ts';
import { startLab, type Lab } from '../support/lab.ts';
import { failedAs } from '../support/scene.ts';

const plan = stagePlan('default');
const weights = { kind: 'checkout', path: 'weights/r50.pth', sha256: 'a1', sizeBytes: 1 } as const;
const input: TrainStageInput = { run: 'lite-1', plan, weights };
const artifact = { name: 'swin', path: 'w.pth', recipe: { how: 'download', sources: ['hf://a/b'] } } as const;

/** As JSON brings it, changed at one place. */
function changed(path: string, value: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(input));
  const keys = path.split('.');
  let inner = copy;
  for (const key of keys.slice(0, -1)) inner = isObject(inner) ? inner[key] : undefined;
  if (isObject(inner)) inner[keys.at(-1) ?? ''] = value;
  return copy;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function checkAny(value: unknown): unknown {
  return Reflect.apply(checkStageInput, undefined, [value]);
}

describe('the input of a stage', () => {
  it('is what runs give it, and what crosses a continue-as-new', () => {
    const failure = {
      type: 'TrainerCrashed',
      host: 'gpu-1',
      message: 'boom',
      signature: 'KeyError',
    } as const;
    const ended = { iterationsRun: 3, at: 1, limits: plan.limits };
    const state: StageState = {
      ...afterFailure(afterLacking(initialStageState, [{ host: 'a', reason: 'data' }]), failure, ended),
      ...{ question: failure, paused: { by: 'ada', why: 'x', at: 1 }, goBack: { kind: 'to', iterations: 3 } },
      ...{ changes: { maxIterations: 3, priority: 0, learningRate: 1e-4 }, trainedSeconds: 1.5, failures: 1 },
      ...{ damaged: ['k'], wentBack: true, trained: true, bestIterations: 7 },
    };
    const full = {
      ...input,
      plan: {
        ...plan,
        overrides: { SOLVER: { STEPS: [1, 2] } },
        ...{ priority: 1, team: 'a', needs: { gpuMemoryMiB: 1, labels: { zone: 'b' } }, approval: true },
        retention: { newest: 3, every: 10, at: [5] },
        saveEvery: { kind: 'seconds', seconds: 1.5 },
        datasets: [{ name: 'd', annotations: 'a', images: 'i', task: 't', words: ['w'] }],
        limits: {
          ...plan.limits,
          budgets: { hang: 2 },
          phaseTimeoutsMs: { data: 1 },
          lossSpike: 10,
          coverage: 0.9,
        },
      },
      files: [{ path: 'clip', file: { name: 'clip', bucket: 'b', key: 'k', sha256: 'a', sizeBytes: 1 } }],
      until: 40,
      changes: { learningRate: 1e-4 },
      carried: { state, lease: null },
    };
    assert.doesNotThrow(() => checkAny(input));
    assert.doesNotThrow(() => checkAny(JSON.parse(JSON.stringify(full))));
  });

  const wrong: readonly [title: string, value: unknown, message: RegExp][] = [
    ['nothing', undefined, /^input must be an object, not nothing$/],
    ['a list', [], /not a list/],
    ['a run that is a path', changed('run', '../x'), /^run id/],
    ['no plan', changed('plan', undefined), /input\.plan is missing/],
    ['limits that are text', changed('plan.limits', '10'), /input\.plan\.limits must be an object/],
    ['half a host', changed('plan.gang.hosts', 1.5), /input\.plan\.gang\.hosts must be a whole number/],
    ['endless iterations', changed('plan.maxIterations', 1e300), /maxIterations must be a whole number/],
    ['an unknown key', changed('plan.evil', 1), /input\.plan has an unknown key 'evil'/],
    [
      'weights of another kind',
      changed('weights.kind', 'url'),
      /input\.weights\.kind must be "checkout" or "artifact"/,
    ],
    [
      'a name of a megabyte',
      changed('plan.configFile', 'x'.repeat(1e6)),
      /configFile must be text of at most 512 characters, not "x{60}"$/,
    ],
    [
      'a novel of overrides',
      changed('plan.overrides', { a: Array(20_000).fill(1) }),
      /more than 10000 values/,
    ],
    ['deep overrides', changed('plan.overrides', deep(100)), /nested more than 20 deep/],
    [
      'a token that is no number',
      changed('carried', { state: { token: 'x' }, lease: null }),
      /carried\.state/,
    ],
    ['a prototype', JSON.parse('{"__proto__":{"run":"a"},"constructor":1}'), /is missing/],
  ];
  for (const [title, value, message] of wrong) {
    it(`fails by name when it is ${title}`, () => {
      assert.throws(
        () => checkAny(value),
        (error: Error) => {
          assert.match(error.message, message);
          assert.ok(error.message.length < 2000);
          assert.ok('type' in error && error.type === 'InvalidConfig');
          return true;
        },
      );
    });
  }
});

it('the inputs of the workflows that prepare weights are checked in the same way', () => {
  assert.doesNotThrow(() => checkWeightsInput({ artifacts: [artifact] }));
  assert.doesNotThrow(() => checkArtifactInput({ artifact, ingredients: [] }));
  const check = (of: (value: never) => unknown, value: unknown) => () => {
    Reflect.apply(of, undefined, [value]);
  };
  const invalid = { type: 'InvalidConfig' };
  assert.throws(
    check(checkWeightsInput, { artifacts: [{ ...artifact, recipe: { how: 'steal' } }] }),
    invalid,
  );
  assert.throws(check(checkArtifactInput, { artifact }), invalid);
  // Names become workflow ids and S3 keys.
  for (const name of ['../runs/lite-1/stage1/head', 'a/b', '', '__proto__'])
    assert.throws(check(checkWeightsInput, { artifacts: [{ ...artifact, name }] }), invalid);
  for (const trained of [
    { run: '../..', stage: 'stage1' },
    { run: 'lite-1', stage: '../stage1' },
  ])
    assert.throws(
      check(checkArtifactInput, {
        artifact: { ...artifact, recipe: { how: 'trained', ...trained } },
        ingredients: [],
      }),
      invalid,
    );
});

describe('artifacts that are made from each other', () => {
  const made = (name: string, from: string) => ({
    ...{ name, path: 'w.pth' },
    recipe: { how: 'convert', from, drop: [], prefix: '' } as const,
  });

  it('are refused where that never begins: the recursion ended the whole control worker', () => {
    const circles = [
      [made('a', 'a')],
      [made('a', 'b'), made('b', 'a')],
      [artifact, made('x', 'a'), made('a', 'b'), made('b', 'c'), made('c', 'a')],
    ];
    for (const artifacts of circles)
      assert.throws(() => checkWeightsInput({ artifacts }), /artifact '[xabc]' is made from itself/);
  });

  it('are taken in any order and depth', () => {
    const chain = Array.from({ length: 999 }, (_, index) =>
      made(`a${index}`, index === 998 ? artifact.name : `a${index + 1}`),
    );
    const artifacts = [...chain, artifact];
    assert.deepEqual(checkWeightsInput({ artifacts }), { artifacts });
  });
});

describe('a workflow that is started with anything', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  for (const type of ['trainStage', 'prepareWeights', 'prepareArtifact', 'evaluate'])
    it(`fails by name: ${type}`, async () => {
      for (const [index, args] of [[], [null], [7], [{ artifacts: {} }], [{ run: 1 }]].entries()) {
        const failure = await failedAs(
          await lab.client.workflow.start(type, {
            ...{ workflowId: `${type}/${index}`, taskQueue: CONTROL_TASK_QUEUE, args },
            workflowExecutionTimeout: '30s',
          }),
        );
        assert.equal(failure.type, 'InvalidConfig', JSON.stringify(args));
      }
    });
});

function deep(levels: number): unknown {
  return levels === 0 ? 1 : { a: deep(levels - 1) };
}
