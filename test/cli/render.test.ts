import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { hostLines, progressText } from '../../cli/render.ts';
import { artifactLine, type ArtifactSnapshot } from '../../cli/weights/preparation.ts';
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
