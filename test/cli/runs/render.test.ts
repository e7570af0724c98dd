import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { RunSnapshot } from '../../../cli/shared/observe-run.ts';
import { hostLines, progressText, renderRun } from '../../../cli/runs/render.ts';
import { evaluationLines } from '../../../cli/runs/render-evaluations.ts';
import { artifactLine, type ArtifactSnapshot } from '../../../cli/shared/preparation.ts';
import type { StageState, StageStatus } from '../../../contracts/runs.ts';
import type { Progress } from '../../../contracts/training.ts';
import { initialStageState } from '../../../workflows/stage/stage-state.ts';

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

test('the line of each host has its own pace, and that of a straggler says so', () => {
  const hosts: readonly Progress[] = [
    { ...progress, pid: 7, secondsPerIteration: 0.1, ownSecondsPerIteration: 0.0312 },
    { ...progress, host: 'gpu-2', machineRank: 1, ownSecondsPerIteration: 0.0789 },
  ];
  assert.deepEqual(hostLines(hosts).map(stripVTControlCharacters), [
    '  gpu-1  machine 0  training  pid 7  own 0.031 s/iter',
    '  gpu-2  machine 1  training  own 0.079 s/iter  holds the gang back: the others take 0.031 s by themselves',
  ]);
  assert.deepEqual(hostLines([progress]).map(stripVTControlCharacters), ['  gpu-1  machine 0  training']);
  assert.deepEqual(
    hostLines([{ ...progress, phase: 'saving', uploading: true }]).map(stripVTControlCharacters),
    ['  gpu-1  machine 0  saving, uploading'],
  );
});

test('a fine-tune shows its metrics, its best checkpoint, and which one is being evaluated', () => {
  const metric = (name: string, value: number) => ({ dataset: 'rabbits_val', metric: name, value });
  const evaluated = (iterations: number, metrics: readonly ReturnType<typeof metric>[]) => ({
    ...{ checkpoint: `r/finetune@${iterations}`, sha256: 's', iterations, inputs: 'i', metrics },
  });
  const many = Array.from({ length: 8 }, (_, index) => metric(`bbox/AP-${index}`, index));
  const lines = evaluationLines({
    evaluations: [evaluated(20, [metric('bbox/AP', 12.34567)]), evaluated(40, many), evaluated(60, [])],
    best: 'r/finetune@40',
    evaluation: { checkpoint: 'r/finetune@80', doing: 'waits for a host' },
  }).map(stripVTControlCharacters);
  assert.deepEqual(lines, [
    '  r/finetune@20  rabbits_val  bbox/AP 12.35',
    '  r/finetune@40  rabbits_val  bbox/AP-0 0  bbox/AP-1 1  bbox/AP-2 2  bbox/AP-3 3  bbox/AP-4 4  bbox/AP-5 5  and 2 more: glee evaluate r/finetune@40',
    '  r/finetune@60  evaluated; GLEE computes no figure',
    '  evaluation of r/finetune@80  waits for a host',
    '  best checkpoint  r/finetune@40',
  ]);
  assert.deepEqual(evaluationLines({ evaluations: [], best: null, evaluation: null }), []);
});

test('an evaluation without metrics names the files that it left', () => {
  const file = { path: 'inference/results.json', bucket: 'glee', key: 'a/inference/results.json' };
  const files = [{ ...file, sha256: 's', sizeBytes: 1 }];
  const one = { checkpoint: 'v/finetune@20', sha256: 's', iterations: 20, inputs: 'i', metrics: [], files };
  assert.deepEqual(evaluationLines({ evaluations: [one], best: null, evaluation: null }), [
    '  v/finetune@20  evaluated; GLEE computes no figure',
    '    s3://glee/a/inference/results.json',
  ]);
});

test("an artifact's line says how far it is, how fast, how long yet, and what it waits for, as far as that is known", () => {
  const artifact = { name: 'swin-large', status: 'preparing', progress: null, troubles: [] } as const;
  // CI=true turns colours on, whoever reads.
  const plain = (one: ArtifactSnapshot) => stripVTControlCharacters(artifactLine(one));
  const line = (progress: Partial<NonNullable<ArtifactSnapshot['progress']>>) =>
    plain({
      ...artifact,
      progress: { artifact: 'swin-large', phase: 'downloading', doneBytes: 276e6, ...progress },
    });
  assert.equal(plain(artifact), 'swin-large  preparing');
  assert.equal(line({}), 'swin-large  downloading  276 MB');
  assert.equal(
    line({ totalBytes: 788e6, bytesPerSecond: 12.3e6, etaSeconds: 42 }),
    'swin-large  downloading  35 %  276 MB of 788 MB  12.3 MB/s  ETA 42 s',
  );
  assert.match(line({ totalBytes: 0, doneBytes: 0, note: 'trying again' }), /100 % .* {2}trying again$/);
  assert.equal(plain({ ...artifact, status: 'ready' }), 'swin-large  ready');
});

/** The lines of a run with one stage, without its header. */
function stageLines(stage: StageStatus, state: StageState | null, status = 'RUNNING'): readonly string[] {
  const snapshot: RunSnapshot = {
    ...{ run: 'lite-1', status, startedAt: new Date(0), endedAt: new Date(1000), weights: [] },
    state: {
      ...{ run: 'lite-1', config: 'joint/lite', variant: 'Lite', phase: 'training', warnings: [] },
      stages: [stage],
    },
    stage: state && { name: stage.stage, state, hosts: [] },
    ...{ evaluations: [], best: null, evaluation: null, troubles: [], result: null },
  };
  return renderRun(snapshot).split('\n').slice(1).map(stripVTControlCharacters);
}

test('a stage that is done says what its last attempt failed with after its final weights were committed', () => {
  const artifact = {
    ...{ name: 'lite-1/stage1', bucket: 'glee', key: 'a/model_final.pth', sha256: 'f'.repeat(64) },
    ...{ sizeBytes: 1, iterations: 20, configFile: 'c.yaml' },
  };
  const result = { stage: 'stage1', artifact, inputs: 'i', iterationsRun: 20 } as const;
  const done = (more: { attempts: number; lastFailure?: string }) =>
    stageLines({ stage: 'stage1', status: 'done', reused: false, result: { ...result, ...more } }, null);
  const at = 's3://glee/a/model_final.pth  sha256 ffffffffffff';
  assert.deepEqual(done({ attempts: 1 }), [`  stage1  done  ${at}`]);
  const lastFailure = 'attempt 3 failed on gpu-1: TrainerCrashed: the evaluation crashed';
  assert.deepEqual(done({ attempts: 3, lastFailure }), [
    `  stage1  done in 3 attempts  ${at}`,
    `    its final weights were committed before ${lastFailure}`,
  ]);
});

test("a stage's retry budgets are shown as attempts left, never fewer than none", () => {
  const budgets = { trainer: { spent: 3, limit: 3, exceeded: true }, hang: { spent: 1, limit: 5 } } as const;
  const state: StageState = { ...initialStageState, phase: 'backing off', attempt: 4, budgets };
  const lines = stageLines({ stage: 'stage1', status: 'running', workflowId: 'w' }, state);
  assert.match(lines[0] ?? '', /^ {2}stage1 {2}backing off {2}attempt 4/);
  assert.match(lines[1] ?? '', /^ {4}attempts left until it gives up: .*\b0 of 3/);
  assert.doesNotMatch(lines.join('\n'), /-1/);
});

test('a stage whose run failed, or was cancelled, no longer reads as one that trains', () => {
  const training: StageState = { ...initialStageState, phase: 'training', attempt: 1 };
  const lineOf = (status: string, state: StageState | null = training) =>
    stageLines({ stage: 'stage1', status: 'running', workflowId: 'w' }, state, status)[0]?.trimEnd();
  assert.equal(lineOf('RUNNING'), '  stage1  training  attempt 1');
  assert.equal(lineOf('FAILED'), '  stage1  failed  attempt 1');
  assert.equal(lineOf('CANCELLED'), '  stage1  cancelled  attempt 1');
  assert.equal(lineOf('FAILED', null), '  stage1  failed');
});
