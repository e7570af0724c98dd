/** @module What the companion says in a folder, read as the worker reads it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  readAnswer,
  readPhase,
  readSaves,
  requestSave,
  type PhaseRecord,
  type SaveAnswer,
  type SaveRecord,
} from '../../activities/training/progress/companion-files.ts';
import type { Job } from '../../activities/training/jobs/job.ts';
import { until } from '../support/until.ts';

const startSchema = z.object({
  token: z.string(),
  iterations: z.number(),
  samplerSeeds: z.array(z.object({ seed: z.number(), from: z.string() })),
});

/** Asks for a save and waits for the answer. */
export async function ask(folder: string, { stop }: { readonly stop: boolean }): Promise<SaveAnswer> {
  const job = jobIn(folder);
  const id = await requestSave(job, { stop });
  return until('the save to be answered', async () => {
    const answer = await readAnswer(job);
    return answer?.id === id && answer;
  });
}

export function answerIn(folder: string): Promise<SaveAnswer | undefined> {
  return readAnswer(jobIn(folder));
}

export function phaseIn(folder: string): Promise<PhaseRecord | undefined> {
  return readPhase(jobIn(folder));
}

export function savesIn(folder: string): Promise<SaveRecord[]> {
  return readSaves({ folder });
}

export async function startsIn(folder: string): Promise<z.infer<typeof startSchema>[]> {
  const text = await readFile(join(folder, 'starts.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => startSchema.parse(JSON.parse(line)));
}

function jobIn(folder: string): Job {
  const identity = { run: 'run', stage: 'stage1', token: 1, workflowId: 'run/stage1' };
  const at = (name: string) => join(folder, name);
  return { folder, identity, output: at('out'), log: at('log'), config: at('config.yaml') };
}
