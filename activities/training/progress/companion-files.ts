/**
 * @module What trainer/companion.py says of the trainer in the job folder, and how it is asked to save. A trainer that it
 * could not hook into says nothing, and is treated as if it were not there; so is one that says what this version does not
 * understand, for a trainer may be older or newer than the worker that has adopted it.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readJobFile, writeJobFile, type Job } from '../jobs/job.ts';
import { readJobTail } from '../jobs/job-files.ts';

/** Some hundred saves. */
const SAVES_BYTES = 64 << 10;

const phaseSchema = z.object({
  phase: z.enum(['start', 'rendezvous', 'data', 'first iteration', 'training', 'saving', 'evaluating']),
  /** When it began, and when this was written; epoch milliseconds. */
  since: z.number(),
  at: z.number(),
  /** Iterations done before this start, and in all. */
  startIterations: z.number().optional(),
  iterations: z.number().optional(),
  /** The longest of the last iterations. */
  longestSeconds: z.number().optional(),
  /** How long each phase before this one has taken at most, in seconds; a companion from before there was such a thing has none. */
  longest: z.record(z.string(), z.number()).optional(),
});

const saveSchema = z.object({
  name: z.string(),
  iteration: z.number().nullable(),
  /** How long the trainer stood still for it. */
  stallSeconds: z.number(),
  /** How long its file took to be on the disk; as long, unless it was saved in the background. */
  writeSeconds: z.number(),
  at: z.number(),
});

const answerSchema = z.object({
  id: z.string(),
  stop: z.boolean(),
  /** Iterations that the checkpoint stands for. */
  iterations: z.number(),
  checkpoint: z.string(),
  at: z.number(),
});

export type PhaseRecord = z.infer<typeof phaseSchema>;
export type SaveRecord = z.infer<typeof saveSchema>;
export type SaveAnswer = z.infer<typeof answerSchema>;

/** What is kept of it in S3 with the log. */
export const KEPT_FILES = ['saves.jsonl', 'starts.jsonl'] as const;

/** What the companion is told through the trainer's environment. */
export function companionVariables(
  { folder, identity }: Job,
  stopAfter: number | undefined,
): Record<string, string> {
  return {
    GLEE_JOB_FOLDER: folder,
    GLEE_ATTEMPT_TOKEN: String(identity.token),
    ...(stopAfter !== undefined && { GLEE_STOP_AFTER: String(stopAfter) }),
  };
}

/** Asks rank 0 to save after the iteration it is in, and all ranks to stop then; its answer bears the id. */
export async function requestSave(job: Job, { stop }: { readonly stop: boolean }): Promise<string> {
  const id = randomUUID();
  await writeJobFile(job, 'save-request.json', { id, stop });
  return id;
}

/** The answer to the newest request that was answered: last_checkpoint names what was saved. */
export async function readAnswer(job: Job): Promise<SaveAnswer | undefined> {
  return readJobFile(job, 'save-answer.json', answerSchema);
}

/** What the trainer on this host does. */
export async function readPhase(job: Job): Promise<PhaseRecord | undefined> {
  return readJobFile(job, 'phase.json', phaseSchema);
}

/** The last saves of the attempt, oldest first; on rank 0's host. A line that is being written is left for the next look. */
export async function readSaves(job: Pick<Job, 'folder'>): Promise<SaveRecord[]> {
  const text = await readJobTail(join(job.folder, 'saves.jsonl'), SAVES_BYTES);
  return text.split('\n').slice(0, -1).flatMap(parseSave);
}

function parseSave(line: string): SaveRecord[] {
  try {
    const { success, data } = saveSchema.safeParse(JSON.parse(line));
    return success ? [data] : [];
  } catch {
    return [];
  }
}
