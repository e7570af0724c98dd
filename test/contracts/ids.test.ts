import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONTROL_TASK_QUEUE,
  hostTaskQueue,
  keys,
  poolWorkflowId,
  runIdProblem,
  stageWorkflowId,
} from '../../contracts/ids.ts';

test('task queues and workflow ids are pinned: a drift strands running trainings', () => {
  assert.equal(CONTROL_TASK_QUEUE, 'glee');
  assert.equal(hostTaskQueue('gpu-1'), 'glee-host/gpu-1');
  assert.equal(poolWorkflowId('default'), 'pool/default');
  assert.equal(stageWorkflowId('lite-1', 'stage2'), 'lite-1/stage2');
});

test('keys in S3 are pinned: a drift hides what earlier runs have left', () => {
  assert.equal(keys.plan('lite-1'), 'runs/lite-1/plan.json');
  assert.equal(keys.head('lite-1', 'stage2'), 'runs/lite-1/stage2/head.json');
  assert.equal(keys.result('lite-1', 'stage2'), 'runs/lite-1/stage2/result.json');
  assert.equal(keys.attempt('lite-1', 'stage2', 7), 'runs/lite-1/stage2/attempts/7');
});

test('a run may be called what Temporal, S3 and a file system all take', () => {
  for (const run of ['lite-1', 'a', '7', 'Lite_2026.11', 'x'.repeat(63)]) {
    assert.equal(runIdProblem(run), undefined, run);
  }
});

test('a run may not be called anything that leaves its folder, looks hidden or is too long', () => {
  const wrong = [
    '',
    '.',
    '..',
    '.a',
    '-a',
    '_a',
    'a/b',
    'a\\b',
    'a..b',
    'a b',
    'a\n',
    'a:b',
    'é',
    'x'.repeat(64),
  ];
  for (const run of wrong) {
    assert.match(runIdProblem(run) ?? '', /^run id '[^]*' must be 1 to 63 letters/, JSON.stringify(run));
  }
});

test("a run's name can never make one stage's workflow id that of another run's", () => {
  assert.notEqual(runIdProblem('lite-1/stage1'), undefined);
  assert.notEqual(runIdProblem(poolWorkflowId('default')), undefined);
});
