/**
 * @module The folder of one attempt on one host: what a worker needs to continue from is here, never in its memory.
 *
 *     <scratch>/jobs/<run>/<stage>/<token>/
 *       job.json       whose trainer this is, and of which machine; written before anything else
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
import { lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { fail } from '../../support/failures.ts';
import { machineIdentity, type MachineIdentity } from './machine-identity.ts';
import { mapLimited } from '../../support/map-limited.ts';
import { isNotFound, writeFileAtomically } from '../../files/atomic-files.ts';
import { readJobPart } from './job-files.ts';
import { folderOf, hasOwnFolders, keyProblem, listKeys, type JobKey } from './job-key.ts';

export type { JobKey };

/** A host keeps the folders of all that it has trained. */
const READS_AT_ONCE = 16;

const originSchema = z.object({ cluster: z.string(), namespace: z.string(), storage: z.string() });
const recordSchema = z.object({
  run: z.string(),
  stage: z.string(),
  token: z.number(),
  workflowId: z.string(),
  requestId: z.string().exactOptional(),
  gpuIndices: z.array(z.number()).readonly().exactOptional(),
  host: z.string().exactOptional(),
  origin: originSchema.exactOptional(),
  machine: z.object({ place: z.string(), boot: z.string(), machine: z.string() }),
});
const trainerSchema = z.object({ pid: z.number(), startedAt: z.number() });
const activitySchema = z.object({ taskToken: z.base64() });
const exitSchema = z.object({ code: z.number().nullable(), signal: z.string().nullable(), at: z.number() });

/** Which Temporal and which S3 know of a job: what another one says of it proves nothing. */
export interface Origin {
  /** Id of the Temporal cluster. */
  readonly cluster: string;
  /** Name of the namespace, and its id where Temporal has told it. */
  readonly namespace: string;
  /** `s3://bucket/prefix` */
  readonly storage: string;
}

export interface JobIdentity extends JobKey {
  /** The stage's workflow: while it runs, its trainers may. */
  readonly workflowId: string;
  /** Of the lease that it was started under, and the GPUs of this host that are the lease's. */
  readonly requestId?: string;
  readonly gpuIndices?: readonly number[];
  /** The host's name, for people. */
  readonly host?: string;
  /** Absent: no one can be asked about the workflow. */
  readonly origin?: Origin;
}

/** What an activity is told of its job; who watches it, and where, it knows itself. */
export type LeasedJob = JobKey & Pick<JobIdentity, 'requestId' | 'gpuIndices'>;

export type TrainerExit = z.infer<typeof exitSchema>;

export interface Job {
  readonly folder: string;
  readonly output: string;
  readonly log: string;
  readonly config: string;
  readonly identity: JobIdentity;
}

/**
 * Makes the job's folder, or takes over the one that is there.
 *
 * @throws InvalidConfig where run or stage could lead out of the scratch folder: a workflow's input is typed by people.
 * @throws HostUnfit where the job belongs to another machine that uses the same scratch folder.
 */
export async function openJob(scratch: string, identity: JobIdentity): Promise<Job> {
  const problem = keyProblem(identity);
  if (problem !== undefined) throw fail('InvalidConfig', problem);
  const job = at(scratch, identity);
  if (!(await hasOwnFolders(scratch, identity)))
    throw fail(
      'HostUnfit',
      `${job.output} leads through a link: remove it, the pipeline makes folders there`,
    );
  await mkdir(job.output, { recursive: true });
  const machine = await machineIdentity(scratch);
  const before = await readJobRecord(job.folder, identity);
  if (before !== undefined && isElsewhere(before.machine, machine)) {
    const owner = `${before.host ?? 'a host'} on another machine (${before.machine.place}; this is ${machine.place})`;
    const message = `${job.folder} belongs to ${owner}: give each machine a GLEE_SCRATCH of its own`;
    throw fail('HostUnfit', message, { ...(identity.host !== undefined && { host: identity.host }) });
  }
  const record = { ...identity, machine };
  // A disk that has become full must not keep a trainer from being watched.
  if (!isDeepStrictEqual(before, record))
    await writeFileAtomically(join(job.folder, 'job.json'), JSON.stringify(record));
  return job;
}

/**
 * All jobs of this machine, or those of one stage. What holds no job of ours is passed over: a folder whose job.json names
 * another one, or another machine.
 */
export async function listJobs(
  scratch: string,
  of?: { readonly run: string; readonly stage: string },
): Promise<Job[]> {
  const machine = await machineIdentity(scratch).catch(() => undefined);
  if (machine === undefined) return [];
  const keys = await listKeys(scratch, of);
  const jobs = await mapLimited(keys, READS_AT_ONCE, async (key) => {
    const record = await readJobRecord(folderOf(scratch, key), key);
    if (record === undefined || isElsewhere(record.machine, machine)) return [];
    if (!(await hasOwnFolders(scratch, key))) return [];
    const { machine: ofJob, ...identity } = record;
    return [at(scratch, { ...identity, ...key })];
  });
  return jobs.flat();
}

/** Undefined where this host has none. */
export async function findJob(scratch: string, key: JobKey): Promise<Job | undefined> {
  if (keyProblem(key) !== undefined) return undefined;
  return (await listJobs(scratch, key)).find(({ identity }) => identity.token === key.token);
}

/** Whether the same Temporal and the same S3 know of both. */
export function isSameOrigin(one: Origin | undefined, other: Origin): boolean {
  return one?.cluster === other.cluster && one.namespace === other.namespace && one.storage === other.storage;
}

export function readTrainer(job: Job): Promise<z.infer<typeof trainerSchema> | undefined> {
  return readJobPart(join(job.folder, 'trainer.json'), trainerSchema);
}

export function readExit(job: Job): Promise<TrainerExit | undefined> {
  return readJobPart(join(job.folder, 'exit.json'), exitSchema);
}

/** Undefined where no activity has watched the job yet. */
export async function readTaskToken(job: Job): Promise<Uint8Array | undefined> {
  const activity = await readJobPart(join(job.folder, 'activity.json'), activitySchema);
  return activity && Buffer.from(activity.taskToken, 'base64');
}

export async function writeTaskToken(job: Job, taskToken: Uint8Array): Promise<void> {
  const content = { taskToken: Buffer.from(taskToken).toString('base64') };
  await writeFileAtomically(join(job.folder, 'activity.json'), JSON.stringify(content));
}

/** Undefined where there is none that this version understands. */
export async function readJobFile<T>(
  job: Job,
  name: 'outcome.json' | 'verdict.json' | 'weights.json' | 'phase.json' | 'save-answer.json',
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  return readJobPart(join(job.folder, name), schema);
}

export async function writeJobFile(
  job: Job,
  name: 'outcome.json' | 'verdict.json' | 'weights.json' | 'save-request.json' | 'launched',
  content: unknown,
): Promise<void> {
  await writeFileAtomically(join(job.folder, name), JSON.stringify(content));
}

/** What a launch leaves, also where a tidier of old files has taken some of it. */
export async function wasLaunched(job: Job): Promise<boolean> {
  const traces = ['launched', 'trainer.json', 'exit.json'].map((name) => isThere(join(job.folder, name)));
  return (await Promise.all(traces)).includes(true);
}

function at(scratch: string, identity: JobKey & Partial<JobIdentity>): Job {
  const { workflowId = '' } = identity;
  const folder = folderOf(scratch, identity);
  return {
    folder,
    output: join(folder, 'out'),
    log: join(folder, 'trainer.log'),
    config: join(folder, 'config.yaml'),
    identity: { ...identity, workflowId },
  };
}

/** A job.json that was put there for another folder is none: files would be removed, and trainers ended, by its word. */
async function readJobRecord(folder: string, key: JobKey) {
  const record = await readJobPart(join(folder, 'job.json'), recordSchema);
  const isOfFolder = record?.run === key.run && record.stage === key.stage && record.token === key.token;
  return isOfFolder ? record : undefined;
}

/** Processes of an earlier boot of the same machine are gone: what they have left may be taken over. */
function isElsewhere(before: MachineIdentity, now: MachineIdentity): boolean {
  if (before.place === now.place) return false;
  return before.machine === '' || before.machine !== now.machine || before.boot === now.boot;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
