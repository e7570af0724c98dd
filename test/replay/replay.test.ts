import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DeterminismViolationError } from '@temporalio/workflow';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { z } from 'zod';
import { bundlePath } from '../../workers/bundle.ts';
import { historiesFolder, SCENARIOS } from './scenarios.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });

describe('histories of running workflows', () => {
  for (const scenario of SCENARIOS) {
    it(`replay on the workflows of today: ${scenario}`, async () => {
      await replay(await read(scenario));
    });
  }

  it('are all replayed, and none is missing', async () => {
    const files = (await readdir(historiesFolder)).map((file) => file.replace(/\.json$/, ''));
    assert.deepEqual(files.sort(), [...SCENARIOS].sort());
  });

  it('are refused when the workflow would do something else: the test can fail', async () => {
    const other = (await read('stage-trained')).replaceAll('"openAttempt"', '"anotherActivity"');
    await assert.rejects(replay(other), DeterminismViolationError);
  });
});

const historySchema = z.object({
  events: z.tuple(
    [z.object({ workflowExecutionStartedEventAttributes: z.object({ workflowId: z.string() }) })],
    z.unknown(),
  ),
});

async function read(scenario: string): Promise<string> {
  return readFile(join(historiesFolder, `${scenario}.json`), 'utf8');
}

async function replay(history: string): Promise<void> {
  const parsed: unknown = JSON.parse(history);
  // The id matters: a stage tells by it which lease it has asked for.
  const { events } = historySchema.parse(parsed);
  const workflowId = events[0].workflowExecutionStartedEventAttributes.workflowId;
  await Worker.runReplayHistory({ workflowBundle: { codePath: bundlePath } }, parsed, workflowId);
}
