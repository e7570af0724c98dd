/**
 * @module Ours: the whole pipeline on this machine (Temporal, S3, control worker, GPU workers), with the sandbox's trainer.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listJobs } from '../activities/training/jobs/job.ts';
import { packageRoot } from '../planning/environment/package-root.ts';
import { startRun } from '../cli/runs/start.ts';
import { startStack, type GpuHost, type Placement, type Stack } from '../sandbox/stack.ts';
import { attachBeacon } from './beacon.ts';
import { killAndWait, type Blow, type Killed } from './kill.ts';
import { measureOwnStart, type TrainerEnv } from './own-start.ts';
import { readTimeline, type HostJobs, type Step } from './timeline.ts';

const STAGE = 'stage1';

export interface Pipeline {
  readonly trainerEnv: TrainerEnv;
  /** Starts a run of a config below bench/configs/, kills its trainer or strikes otherwise, waits until it continues, and cancels it. */
  kill(run: string, config: string, blow?: Blow): Promise<Killed & { readonly timeline: readonly Step[] }>;
  readonly hosts: readonly GpuHost[];
  /** Seconds from the spawn of the run's newest trainer, by itself, to its first iteration. The run must have ended. */
  ownStart(run: string): Promise<number>;
  /** The config that the newest run gave its first trainer. */
  config(): Promise<string>;
  /** Nothing of it is left then, neither a process nor a file. */
  stop(): Promise<void>;
}

export interface PipelineOptions {
  readonly hosts: number;
  readonly gpusPerHost: number;
  /** Machines of their own, in the place of `hosts`. */
  readonly placement?: Placement;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

export async function startPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { hosts, gpusPerHost, placement, signal, progress } = options;
  const directory = await mkdtemp(join(tmpdir(), 'glee-bench-'));
  const beacon = join(directory, 'beacon.jsonl');
  const env = { GLEE_CONFIG_DIR: join(packageRoot, 'bench/configs'), GLEE_BENCH_BEACON: beacon };
  const stack = await startStack({
    ...{ directory, hosts, gpusPerHost, env, signal, onProgress: progress },
    ...(placement && { placement }),
  });
  const { GLEE_CHECKOUT = '', DETECTRON2_DATASETS = '' } = stack.env;
  const trainerEnv = { GLEE_CHECKOUT, DETECTRON2_DATASETS };
  // No trainer runs yet, so none can miss it.
  await attachBeacon(GLEE_CHECKOUT);
  let newestRun = '';
  return {
    trainerEnv,

    hosts: stack.hosts,

    async kill(run, config, blow) {
      newestRun = run;
      await startRun(stack.client, run, { config });
      try {
        const killed = await killAndWait({ file: beacon, output: outputOf(run), signal }, `run ${run}`, blow);
        const jobs = await newestJobs(stack, run);
        return { ...killed, timeline: await readTimeline(stack.client, `${run}/${STAGE}`, jobs, killed) };
      } finally {
        await cancel(stack, run);
      }
    },

    async ownStart(run) {
      const jobs = (await newestJobs(stack, run)).map(({ newest }) => newest);
      return measureOwnStart({ jobs, output: outputOf(run), beacon, trainerEnv, signal });
    },

    async config() {
      const [first] = await newestJobs(stack, newestRun);
      if (first === undefined) throw new Error('no run has left a job');
      return first.killed.config;
    },

    async stop() {
      await stack.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Part of the paths of all that the run's trainers write, on whichever host. */
function outputOf(run: string): string {
  return `/jobs/${run}/`;
}

async function newestJobs(stack: Stack, run: string): Promise<HostJobs[]> {
  const found = await Promise.all(
    stack.hosts.map(async ({ name, scratch }) => {
      const jobs = await listJobs(scratch, { run, stage: STAGE });
      // Where the trainer lives on there is but one.
      const [newest, killed = newest] = jobs.toSorted((a, b) => b.identity.token - a.identity.token);
      return newest === undefined || killed === undefined ? [] : [{ host: name, newest, killed }];
    }),
  );
  return found.flat();
}

async function cancel({ client }: Stack, run: string): Promise<void> {
  const handle = client.workflow.getHandle(run);
  await handle.cancel();
  await handle.result().catch(() => undefined);
}
