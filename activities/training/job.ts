/**
 * @module The folder of one attempt on one host: what a worker needs to go on from is here, never in its memory.
 *
 *     <scratch>/jobs/<run>/<stage>/<token>/
 *       job.json       whose trainer this is; written before anything else
 *       config.yaml    the config that the trainer gets
 *       datasets.json  data sets that the companion registers, where the plan declares any
 *       weights.json   checksums of the weights that it reads from the host's cache
 *       activity.json  task token of the activity that watches it: lets the next worker say that it is gone
 *       launched       exists once the shim was started: from here on, look before launching again
 *       trainer.json, exit.json, trainer.log    the shim's (trainer/shim.py)
 *       coverage.json  how much of the model the initial weights matched (trainer/companion.py, as what follows)
 *       phase.json     what the trainer does, since when, and its iterations
 *       rank-N.json    whether each rank waits for others, and what it takes by itself for an iteration
 *       starts.jsonl, saves.jsonl               sampler's seeds of a start; how long each save took
 *       save-request.json, save-answer.json     the worker asks for a save, the trainer has saved
 *       verdict.json   why a trainer that still ran is ended; written before it is
 *       outcome.json   how the activity ended; written before it returns, since the answer may get lost
 *       out/           the trainer's OUTPUT_DIR
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { runIdProblem } from '../../contracts/ids.ts';
import { fail } from '../fail.ts';
import { readTextIfThere, writeFileAtomically } from '../storage/files.ts';
import { parseObject } from '../storage/schemas.ts';

const jobSchema = z.object({
  run: z.string(),
  stage: z.string(),
  token: z.number(),
  /** The stage's workflow: while it runs, its trainers may. */
  workflowId: z.string(),
  /** Of the lease that it was started under, and the GPUs of this host that are the lease's. */
  requestId: z.string().exactOptional(),
  gpuIndices: z.array(z.number()).readonly().exactOptional(),
});
const trainerSchema = z.object({ pid: z.number(), startedAt: z.number() });
const activitySchema = z.object({ taskToken: z.base64() });
const exitSchema = z.object({ code: z.number().nullable(), signal: z.string().nullable(), at: z.number() });

export type JobIdentity = z.infer<typeof jobSchema>;
/** What an activity is told of its job; who watches it, it knows itself. */
export type JobKey = Omit<JobIdentity, 'workflowId'>;
export type TrainerExit = z.infer<typeof exitSchema>;

export interface Job {
  readonly folder: string;
  readonly output: string;
  readonly log: string;
  readonly config: string;
  readonly identity: JobIdentity;
}

function at(scratch: string, identity: JobIdentity): Job {
  const folder = join(stageFolder(scratch, identity), String(identity.token));
  return {
    folder,
    output: join(folder, 'out'),
    log: join(folder, 'trainer.log'),
    config: join(folder, 'config.yaml'),
    identity,
  };
}

/** @throws InvalidConfig where run or stage could lead out of the scratch folder: a workflow's input is typed by people. */
export async function openJob(scratch: string, identity: JobIdentity): Promise<Job> {
  const problem = runIdProblem(identity.run) ?? runIdProblem(identity.stage);
  if (problem !== undefined) throw fail('InvalidConfig', problem);
  const job = at(scratch, identity);
  await mkdir(job.output, { recursive: true });
  await writeFileAtomically(join(job.folder, 'job.json'), JSON.stringify(identity));
  return job;
}

/** All jobs of this host, or those of one stage; folders that hold no job of ours are passed over. */
export async function listJobs(
  scratch: string,
  of?: { readonly run: string; readonly stage: string },
): Promise<Job[]> {
  const root = join(scratch, 'jobs');
  const stages = of === undefined ? await stageFolders(root) : [stageFolder(scratch, of)];
  const folders = (await Promise.all(stages.map(subfolders))).flat();
  const identities = await Promise.all(
    folders.map((folder) => readPart(folder, 'job.json', jobSchema).catch(() => undefined)),
  );
  return identities.flatMap((identity) => (identity === undefined ? [] : [at(scratch, identity)]));
}

/** Undefined where this host has none. */
export async function findJob(scratch: string, { run, stage, token }: JobKey): Promise<Job | undefined> {
  if (runIdProblem(run) ?? runIdProblem(stage)) return undefined;
  return (await listJobs(scratch, { run, stage })).find(({ identity }) => identity.token === token);
}

export function readTrainer(job: Job): Promise<z.infer<typeof trainerSchema> | undefined> {
  return readPart(job.folder, 'trainer.json', trainerSchema);
}

export function readExit(job: Job): Promise<TrainerExit | undefined> {
  return readPart(job.folder, 'exit.json', exitSchema);
}

/** Undefined where no activity has watched the job yet. */
export async function readTaskToken(job: Job): Promise<Uint8Array | undefined> {
  const activity = await readPart(job.folder, 'activity.json', activitySchema);
  return activity && Buffer.from(activity.taskToken, 'base64');
}

export async function writeTaskToken(job: Job, taskToken: Uint8Array): Promise<void> {
  const content = { taskToken: Buffer.from(taskToken).toString('base64') };
  await writeFileAtomically(join(job.folder, 'activity.json'), JSON.stringify(content));
}

export async function readJobFile<T>(
  job: Job,
  name: 'outcome.json' | 'verdict.json' | 'weights.json' | 'phase.json' | 'save-answer.json',
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  return readPart(job.folder, name, schema);
}

export async function writeJobFile(
  job: Job,
  name: 'outcome.json' | 'verdict.json' | 'weights.json' | 'save-request.json' | 'launched',
  content: unknown,
): Promise<void> {
  await writeFileAtomically(join(job.folder, name), JSON.stringify(content));
}

export async function wasLaunched(job: Job): Promise<boolean> {
  return (await readTextIfThere(join(job.folder, 'launched'))) !== undefined;
}

async function readPart<T>(folder: string, name: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const path = join(folder, name);
  const text = await readTextIfThere(path);
  return text === undefined ? undefined : parseObject(text, schema, path);
}

function stageFolder(
  scratch: string,
  { run, stage }: { readonly run: string; readonly stage: string },
): string {
  return join(scratch, 'jobs', run, stage);
}

async function stageFolders(root: string): Promise<string[]> {
  return (await Promise.all((await subfolders(root)).map(subfolders))).flat();
}

async function subfolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
}
