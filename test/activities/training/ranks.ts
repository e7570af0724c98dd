/** @module trainRank as a worker runs it, on a host with a tiny checkout whose trainer is one of the fixtures. */
import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ActivityCancellationDetails } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { z } from 'zod';
import type { TrainRankInput, TrainRankResult } from '../../../contracts/training.ts';
import type { Bucket } from '../../../activities/storage/bucket.ts';
import { listJobs, readTrainer, type Job } from '../../../activities/training/jobs/job.ts';
import { Supervisors } from '../../../activities/training/supervisors.ts';
import type { TrainingDependencies } from '../../../activities/training/rank.ts';
import { trainRank } from '../../../activities/training/train-rank.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { until } from '../../support/until.ts';
import { logOf, makeFakeCheckout, makeScratch, ORIGIN, PYTHON } from './jobs.ts';

export interface TestHost extends TrainingDependencies {
  readonly input: TrainRankInput;
  /** Lets the trainer of `trains.py` do so many iterations, or all. */
  allow(iterations?: number): Promise<void>;
  job(token?: number): Promise<Job>;
  /** Waits until the trainer has said so in its log. */
  untilLog(text: string): Promise<Job>;
}

let hosts = 0;

/** A host with its own run; what trains on it is ended with the test. */
export async function makeHost(test: TestContext, trainer: string, bucket: Bucket): Promise<TestHost> {
  hosts += 1;
  const input = rankInput(`run-${hosts}`);
  const scratch = await makeScratch(test);
  const checkout = await makeFakeCheckout(await temporaryFolder(test), trainer);
  const { run, plan } = input;
  const job = (token = input.token) =>
    until('the job to be there', async () =>
      (await listJobs(scratch, { run, stage: plan.stage })).find(({ identity }) => identity.token === token),
    );
  return {
    ...bucket,
    settings: { scratch, checkout, python: PYTHON, host: 'gpu-1', cacheBytes: 1 << 20 },
    supervisors: new Supervisors(),
    origin: ORIGIN,
    input,
    job,
    allow: (iterations) =>
      iterations === undefined
        ? rm(join(checkout, 'go'), { force: true })
        : writeFile(join(checkout, 'go'), String(iterations)),
    untilLog: (text) =>
      until(`the trainer to say '${text}'`, async () => {
        const found = await job();
        return (await logOf(found)).includes(text) && found;
      }),
  };
}

/** What a host gets that is alone in its gang. */
export function rankInput(run: string): TrainRankInput {
  const weights = {
    kind: 'checkout',
    path: 'weights.pth',
    sha256: createHash('sha256').update('initial weights').digest('hex'),
    sizeBytes: 15,
  } as const;
  return {
    run,
    plan: {
      stage: 'stage1',
      configFile: 'projects/GLEE/configs/stage1.yaml',
      weights,
      overrides: { SOLVER: { MAX_ITER: 30, CHECKPOINT_PERIOD: 10 } },
      settingsSha256: 'a'.repeat(64),
      gang: { hosts: 1, gpusPerHost: 1 },
      pool: 'default',
      maxIterations: 30,
      checkpointPeriod: 10,
      limits: {
        heartbeatTimeoutMs: 60_000,
        hostTimeoutMs: 60_000,
        stallTimeoutMs: 60_000,
        attemptsWithoutProgress: 3,
      },
    },
    attempt: 1,
    token: 1,
    machineRank: 0,
    masterAddress: '127.0.0.1',
    port: 29_500,
    weights,
    resumeFrom: null,
  };
}

const beatSchema = z.object({
  phase: z.string(),
  pid: z.number().optional(),
  iteration: z.number().optional(),
  committedIterations: z.number().optional(),
  memoryMiB: z.number().optional(),
  note: z.string().optional(),
  coverage: z.object({ keys: z.number(), parameters: z.number() }).optional(),
});

export type Beat = z.infer<typeof beatSchema>;

export interface RunningRank {
  readonly result: Promise<TrainRankResult>;
  readonly beats: readonly Beat[];
  /** The workflow wants it gone. */
  cancel(): void;
  /** The worker stops: its trainer is to live on. */
  shutDown(): void;
  /** Temporal does not know the activity any more: its workflow was terminated, or it was handed out again. */
  forget(): void;
}

/** Hands the activity to a worker; a failure is for whoever awaits the result. */
export function startRank(host: TestHost, change: Partial<TrainRankInput> = {}): RunningRank {
  const workflowExecution = { workflowId: `${host.input.run}/stage1`, runId: 'run-id' };
  const environment = new MockActivityEnvironment(
    { workflowExecution },
    { logger: new DefaultLogger('ERROR') },
  );
  const beats: Beat[] = [];
  environment.on('heartbeat', (details: unknown) => beats.push(beatSchema.parse(details)));
  const run = () => trainRank(host, { ...host.input, ...change });
  const result = environment.run<[], TrainRankResult, typeof run>(run);
  result.catch(() => undefined);
  return {
    result,
    beats,
    cancel: () => environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true })),
    shutDown: () =>
      environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true })),
    forget: () => environment.cancel('NOT_FOUND', new ActivityCancellationDetails({ notFound: true })),
  };
}

/** Pid of the job's trainer, once it runs. */
export async function pidOf(host: TestHost): Promise<number> {
  const job = await host.job();
  return until('the trainer to be started', async () => (await readTrainer(job))?.pid);
}
