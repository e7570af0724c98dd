import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressText } from '../../cli/render.ts';
import type { Progress } from '../../contracts/training.ts';

const progress: Progress = {
  host: 'gpu-1',
  machineRank: 0,
  attempt: 1,
  phase: 'training',
  maxIterations: 300,
};

test("a stage's line says how much of the model its initial weights matched, when that is known", () => {
  const line = (parameters: number) =>
    progressText({ ...progress, iteration: 20, coverage: { keys: 1, parameters } });
  assert.equal(line(0.9876), 'iteration 20/300  initial weights matched: 98.7 %');
  assert.equal(line(1), 'iteration 20/300  initial weights matched: 100 %');
  assert.match(line(0.99999), /99\.9 %$/, 'never more than it is');
  assert.equal(progressText({ ...progress, iteration: 20 }), 'iteration 20/300');
});
